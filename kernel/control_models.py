"""What the functions for operators return, as types."""

from datetime import datetime
from uuid import UUID

from kernel.models import Record


class OpenWork(Record):
    """What a cancel would end: an instance, or a task that stands alone (`proc_inst_id` is None then).

    `running`: how many of its tasks a pod works on.
    """

    proc_inst_id: UUID | None
    task_id: UUID | None
    running: int


class Effect(Record):
    """A tool call that was done, or begun (`outcome` "started"), and that no cancel undoes."""

    call_id: int
    proc_inst_id: UUID | None
    task_id: UUID
    attempt: int
    name: str
    outcome: str
    timestamp: datetime


class KillSwitch(Record):
    """While it is not released, nothing of its scope is claimed. `tenant_id` is None for one of the whole fleet.

    `scope`: fleet, tenant, orchestrator or agent; `key`: which of them, or empty.
    """

    switch_id: UUID
    tenant_id: str | None
    scope: str
    key: str
    reason: str
    stops_running: bool
    set_by: str
    set_at: datetime
    released_by: str | None
    released_at: datetime | None


class Stoppable(Record):
    """What a kill switch stops: how many tasks run and wait, and the ids of at most 500, running ones first."""

    running: int
    waiting: int
    task_ids: list[UUID]
