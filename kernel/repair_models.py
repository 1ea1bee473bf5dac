"""Rows about incidents and their repair, as types."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from kernel.models import Record


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


class RetriedIncident(Record):
    """An incident that was taken up, and what its calls had come to that are made anew; 0 where none is.

    `cost_usd` is None where the price of a model is not known.
    """

    kind: IncidentKind
    proc_inst_id: UUID | None
    task_id: UUID | None
    model_calls: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
