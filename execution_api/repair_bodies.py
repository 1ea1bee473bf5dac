"""What operators send to repair process instances, and what they get."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from execution_api.bodies import InstanceCost, Request
from kernel.control_models import Effect
from kernel.models import Task
from kernel.repair_models import IncidentKind

Reason = Annotated[str, Field(min_length=1, max_length=2000, description="why; written to events")]


class RetryRequest(Request):
    """Takes an incident up again. Without fields: as it is."""

    reason: Reason | None = Field(None, description="why; required with variables and from_scratch")
    variables: dict[str, Any] | None = Field(
        None,
        description="set before: in the instance, where the task's input is computed anew from them; of an event that "
        "should start an instance, put over what came with it",
    )
    from_scratch: bool = Field(
        False, description="true: the task's journal is set aside, so every model and tool call is made anew"
    )

    @model_validator(mode="after")
    def _has_reason(self) -> Self:
        if self.reason is None and (self.variables is not None or self.from_scratch):
            raise ValueError("reason is missing: a retry with variables or from scratch needs one; say why")
        return self


class DiscardRequest(Request):
    """Gives up an event that a process could not take."""

    reason: Reason


class IncidentRetried(BaseModel):
    """An incident that was taken up."""

    incident_id: UUID
    kind: IncidentKind
    task: Task | None = Field(description="as it is now; null for an event, which is worked off within a second or so")
    paid_again: InstanceCost | None = Field(
        description="from scratch: what the calls had come to that are made anew; else null"
    )
    effects: list[Effect] = Field(
        description="from scratch: tool calls of earlier runs that had effects, and may have them again; at most 500"
    )
