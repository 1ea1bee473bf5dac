"""What the fixtures give, as types."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from kernel.functions import Kernel
from kernel.models import ClaimedTask, Json


class Pod(Protocol):
    """A pod that `start_pod` started."""

    pod_id: UUID
    kernel: Kernel
    queues: list[str]
    lease_seconds: int

    async def next(self, done: Json | None = None) -> ClaimedTask | None: ...

    async def claim(self) -> ClaimedTask: ...

    async def end(self, task: ClaimedTask, kind: str = "done", **fields: Any) -> None: ...


StartPod = Callable[..., Awaitable[Pod]]
StartInstance = Callable[..., Awaitable[UUID]]
Enqueue = Callable[..., Awaitable[list[UUID]]]
SetClock = Callable[[float], datetime]
Rows = Callable[..., list[dict[str, Any]]]


def ended(task: ClaimedTask, **fields: Any) -> Json:
    """The end of `task`, for a call that ends it and claims the next one; done unless `fields` say otherwise."""
    return {
        "tenant_id": task.tenant_id,
        "task_id": str(task.task_id),
        "proc_inst_id": str(task.proc_inst_id) if task.proc_inst_id else None,
        "fencing_token": task.fencing_token,
        "outcome": "done",
        **fields,
    }
