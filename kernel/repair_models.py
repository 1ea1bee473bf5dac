"""Rows about incidents and their repair, as types."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID

from kernel.models import Json, Record


class IncidentKind(StrEnum):
    """What stands still; see the view incidents in init.sql."""

    TASK = "task"
    CANCELLED_TASK = "cancelled_task"
    EVENT = "event"
    START = "start"


class Incident(Record):
    """What stands still until somebody repairs it.

    `incident_id` is that of the task or event. `activity_id` is its BPMN element, `name` what people call it or the
    name of a message or signal. Of a start `proc_inst_id` is None. `agent_orch` to `log_tail` are of tasks.
    """

    incident_id: UUID
    kind: IncidentKind
    proc_inst_id: UUID | None
    task_id: UUID | None
    process_definition_id: str | None
    activity_id: str | None
    name: str | None
    agent_orch: str | None
    attempt: int | None
    error: str | None
    error_class: str | None
    log_tail: str | None
    finished_at: datetime | None


class PaidAgain(Record):
    """What calls had come to that are made anew. `cost_usd` is None where the price of a model is not known."""

    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None


class RetriedIncident(PaidAgain):
    """An incident that was taken up, and what that pays again: nothing unless it begins from scratch."""

    kind: IncidentKind
    proc_inst_id: UUID | None
    task_id: UUID | None


class InstanceStep(Record):
    """A step that an instance made. `revision` is its number; 1 is the start.

    `kind`: start, task (one was done), event (one came), change (of variables), move (of a token) or fork.
    `activity_id` is the element of a task or event, or where a token was moved to. `given` and `output`: what it was
    computed from (step_input in init.sql); None where the list is not to be whole.
    """

    revision: int
    kind: Literal["start", "task", "event", "change", "move", "fork"]
    task_id: UUID | None
    engine_token: str | None
    activity_id: str | None
    name: str | None
    output: Json | None
    given: Json | None
    actor: str | None
    at: datetime | None


class MovedToken(Record):
    """An instance after a move."""

    proc_inst_id: UUID
    revision: int
