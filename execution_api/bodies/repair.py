"""What operators send to repair process instances, and what they get."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from execution_api.bodies.rows import DefinitionId, InstanceCost, Person, Request, SentTime, SentVersion
from kernel.control_models import Effect
from kernel.models import Task
from kernel.repair_models import IncidentKind

_FILTERS = {"process_definition_id", "version", "initiator", "started_from", "started_before"}
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
        False,
        strict=True,
        description="true: the task's journal is set aside, so every model and tool call is made anew",
    )

    @model_validator(mode="after")
    def _has_reason(self) -> Self:
        if self.reason is None and (self.variables is not None or self.from_scratch):
            raise ValueError("reason is missing: a retry with variables or from scratch needs one; say why")
        return self


class DiscardRequest(Request):
    """Gives up an event that a process could not take."""

    reason: Reason


class ForkRequest(Request):
    """Starts another instance where one stood at an earlier moment. Either `task_id` or `step` says when."""

    task_id: UUID | None = Field(None, description="the last moment that this task was open; before it was done")
    step: int | None = Field(
        None, strict=True, ge=2, le=2_147_483_647, description="before this step; see the list of steps"
    )
    reason: Reason
    variables: dict[str, Any] = Field(default_factory=dict, description="set before, in the new instance")
    version: SentVersion | None = Field(
        None, description="of the same definition, where it fits; none: the version it had"
    )

    @model_validator(mode="after")
    def _has_a_moment(self) -> Self:
        if (self.task_id is None) == (self.step is None):
            raise ValueError("either task_id or step says where to fork: give one of them")
        return self


class MoveRequest(Request):
    """Moves a token."""

    from_: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        alias="from", description="BPMN id of the element that the token is at, or the token's id (`engine_token`)"
    )
    to: Annotated[str, Field(min_length=1, max_length=255)] = Field(description="BPMN id of an element")
    reason: Reason
    variables: dict[str, Any] = Field(default_factory=dict, description="set before, where the token would set them")


class RepairRequest(Request):
    """Repairs many instances. At least one of the filters must be given."""

    action: Literal["retry", "retry_from_scratch", "move"] = Field(
        description="the first two are about incidents, `move` is about instances"
    )
    reason: Reason
    dry_run: bool = Field(True, strict=True, description="true: only say what would be done")
    most: int = Field(100, strict=True, ge=1, le=500, description="how many to look at in this call")
    before: UUID | None = Field(None, description="`next` of the call before: go on from there")
    process_definition_id: DefinitionId | None = None
    version: SentVersion | None = None
    initiator: Person | None = None
    started_from: SentTime | None = None
    started_before: SentTime | None = None
    kind: IncidentKind | None = Field(None, description="of incidents")
    activity_id: Annotated[str, Field(max_length=255)] | None = Field(None, description="of incidents")
    queue: Annotated[str, Field(max_length=255)] | None = Field(None, description="of incidents")
    status: Literal["RUNNING", "ERROR"] = Field("ERROR", description="of instances to move a token of")
    variable: Annotated[list[str], Field(max_length=5)] | None = Field(
        None, description="of instances to move a token of: PATH=VALUE, as in the list of instances"
    )
    from_: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, alias="from", description="with `move`: where the token is"
    )
    to: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, description="with `move`: where it is to be"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        of_moves, of_incidents = ("from", "to", "variable", "status"), ("kind", "activity_id", "queue")
        given = {"from" if name == "from_" else name for name in self.model_fields_set}
        missing = [name for name in ("from", "to") if name not in given] if self.action == "move" else []
        wrong = sorted(given & set(of_incidents if self.action == "move" else of_moves))
        if missing or wrong:
            what = f"{', '.join(missing)} is missing" if missing else f"{', '.join(wrong)} is not used"
            raise ValueError(f"{what} with the action {self.action}")
        if not given & (_FILTERS | set(of_incidents if self.action != "move" else ("variable", "status"))):
            raise ValueError(f"at least one filter must be given, such as {', '.join(sorted(_FILTERS))}")
        return self


class InstanceMoved(BaseModel):
    """An instance after a move."""

    process_instance_id: UUID
    step: int = Field(description="the number of the step that the move is")


class Step(BaseModel):
    """A step that an instance made."""

    proc_inst_id: UUID = Field(description="of a fork's first steps: the instance that made them")
    step: int = Field(description="its number; 1 is the start")
    kind: Literal["start", "task", "event", "change", "move", "fork"]
    task_id: UUID | None
    activity_id: str | None
    name: str | None
    actor: str | None
    at: datetime | None


class Repaired(BaseModel):
    """What was done, or would be, with one incident or instance."""

    process_instance_id: UUID | None
    incident_id: UUID | None
    outcome: Literal["would", "done", "refused"]
    detail: str | None = Field(description="why it is refused")


class Repairs(BaseModel):
    """What a bulk repair did, or would do. Each is a transaction of its own."""

    dry_run: bool
    items: list[Repaired]
    done: int
    refused: int
    paid_again: InstanceCost | None = Field(description="from scratch: what the calls had come to that are made anew")
    next: UUID | None = Field(description="give this as `before` to go on; null where that was all")


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
