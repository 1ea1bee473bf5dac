"""What operators send to cancel work and to hold it back, and what they get."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from execution_api.bodies.rows import Request
from kernel.control_models import Effect, KillSwitch

MOST_LISTED = 500

_Reason = Annotated[str, Field(min_length=1, max_length=2000, description="why; written to events")]
_Key = Annotated[str, Field(min_length=1, max_length=255)]


class CancellationRequest(Request):
    """Cancels open work."""

    scope: Literal["task", "instance", "agent", "orchestrator", "tenant"]
    key: _Key | None = Field(None, description="id of the task, instance, agent or orchestrator; none for `tenant`")
    reason: _Reason
    dry_run: bool = Field(True, strict=True, description="true: only say what it would be")
    most: int = Field(100, strict=True, ge=1, le=MOST_LISTED, description="most instances and tasks to cancel at once")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_key(self.scope, self.key)
        if self.scope in ("task", "instance"):
            try:
                UUID(self.key)
            except ValueError:
                raise ValueError(f"key {self.key!r} is no id of a {self.scope}: give a UUID") from None
        return self


class KillSwitchRequest(Request):
    """Stops claims of a scope, or says what that would stop."""

    scope: Literal["agent", "orchestrator", "tenant"]
    key: _Key | None = Field(None, description="id of the agent or orchestrator; none for `tenant`")
    reason: _Reason
    stops_running: bool = Field(
        False,
        strict=True,
        description="true: running tasks are handed back, the attempt not counted; false: they may finish",
    )
    drill: bool = Field(False, strict=True, description="true: only say what would be stopped, and write an event")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _check_key(self.scope, self.key)
        return self


class Cancelled(BaseModel):
    """What a cancel did, or would do."""

    dry_run: bool
    instances: list[UUID] = Field(description="process instances, those with running tasks first")
    tasks: list[UUID] = Field(description="tasks that were cancelled without an instance, or stand alone")
    running: int = Field(description="how many tasks were running; their pods are told to stop")
    cancelled: int = Field(description="0 in a dry run; less than there are where some ended meanwhile")
    is_complete: bool = Field(description="false where there is more: ask again")
    effects: list[Effect] = Field(
        description="what cannot be undone: tool calls of these tasks that had effects, oldest first, at most 500"
    )
    effects_are_complete: bool = Field(description="false where there are more effects than are listed")


class KillSwitchAnswer(BaseModel):
    """A kill switch and what it did, or in a drill would do."""

    kill_switch: KillSwitch | None = Field(description="null in a drill")
    running: int = Field(description="tasks that were handed back; in a drill, tasks that run")
    waiting: int = Field(description="tasks that were parked; in a drill, tasks that wait in the queue")
    task_ids: list[UUID] = Field(description="in a drill: the tasks, running ones first, at most 500")


class KillSwitchReleased(BaseModel):
    """A kill switch that was released."""

    kill_switch: KillSwitch
    resumed: int = Field(description="tasks that are back in the queue; fewer where another switch stops them, too")


def _check_key(scope: str, key: str | None) -> None:
    if scope == "tenant" and key is not None:
        raise ValueError(f"key {key!r}: the scope tenant has no key, it is the tenant of the credentials; leave it out")
    if scope != "tenant" and key is None:
        raise ValueError(f"key is missing: the scope {scope} needs the id of the {scope}")
