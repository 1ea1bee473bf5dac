"""What tests of the engine over a real database have in common."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from event_writing import file

from kernel.functions import Kernel
from kernel.models import Instance, TaskStatus
from process_engine.committing import advance

_numbers = count(1)
SetClock = Callable[[float], datetime]
Start = Callable[..., Awaitable[UUID]]


def unique(*content: str) -> bytes:
    """A file whose process has an id of its own: parsed versions are kept for as long as the program runs."""
    return file(*content).replace(b'id="p"', f'id="p{next(_numbers)}"'.encode())


async def instance_of(kernel: Kernel, instance_id: UUID) -> Instance:
    instance = await kernel.get_instance(instance_id)
    assert instance is not None
    return instance


async def open_tasks(kernel: Kernel, instance_id: UUID) -> list[str]:
    """The activities whose tasks wait for a person."""
    tasks = await kernel.find_tasks(instance_id, TaskStatus.TODO)
    return sorted(task.activity_id for task in tasks)


async def submit(kernel: Kernel, instance_id: UUID, activity_id: str, **output: Any) -> None:
    """Submit the open task of an activity."""
    tasks = await kernel.find_tasks(instance_id, TaskStatus.TODO)
    await advance.submit(kernel, next(t.task_id for t in tasks if t.activity_id == activity_id), output)
