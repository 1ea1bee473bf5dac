"""How a process instance stands, and waiting until it has nothing more to do on its own."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from kernel.functions import Kernel
from kernel.models import Instance, ProcessStatus, Task, TaskStatus

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.05, 1.0, 1.5  # seconds
_OVER = frozenset({ProcessStatus.COMPLETED, ProcessStatus.ERROR, ProcessStatus.CANCELLED})
_CLOSED = frozenset({TaskStatus.DONE, TaskStatus.CANCELLED})
_PAGE = 500
_MOST_READS = 10


@dataclass(frozen=True)
class Standing:
    """A process instance and its open tasks (neither DONE nor CANCELLED), oldest first."""

    instance: Instance
    open_tasks: list[Task]

    @property
    def is_settled(self) -> bool:
        """Whether it has ended, is in ERROR, or waits for people alone: a task in TODO and none with an agent."""
        waiting_for = {task.status for task in self.open_tasks} - {TaskStatus.FAILED}
        return self.instance.status in _OVER or waiting_for == {TaskStatus.TODO}


async def read_standing(kernel: Kernel, instance_id: UUID) -> Standing:
    """How the instance stands; instance and tasks are of one moment. Raises NotFound."""
    instance = await kernel.require_instance(instance_id)
    tasks: list[Task] = []
    for _ in range(_MOST_READS):
        tasks = await _read_tasks(kernel, instance_id)
        again = await kernel.require_instance(instance_id)
        if (again.revision, again.status) == (instance.revision, instance.status):
            break
        instance = again  # a step came between the two reads
    return Standing(instance, [task for task in reversed(tasks) if task.status not in _CLOSED])


async def _read_tasks(kernel: Kernel, instance_id: UUID) -> list[Task]:
    # All statuses in one query: asked for one after the other, a task that changes status in between is in none.
    tasks = await kernel.find_tasks(instance_id, limit=_PAGE)
    page = tasks
    while len(page) == _PAGE:
        page = await kernel.find_tasks(instance_id, before=page[-1].task_id, limit=_PAGE)
        tasks.extend(page)
    return tasks


async def settle(
    kernel: Kernel,
    instance_id: UUID,
    seconds: float,
    stopping: asyncio.Event,
    is_disconnected: Callable[[], Awaitable[bool]],
) -> Standing:
    """Wait until the instance is settled, at most `seconds`. Returns how it stands then.

    It asks every 50 ms at first and every second in the end. It gives up early when the caller has gone or the
    program is `stopping`.
    """
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while not (standing := await read_standing(kernel, instance_id)).is_settled:
        left = deadline - time.monotonic()
        if left <= 0 or await is_disconnected() or await _stops_within(stopping, min(pause, left)):
            break
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
    return standing


async def _stops_within(stopping: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await stopping.wait()
    except TimeoutError:
        return False
