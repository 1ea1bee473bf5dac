"""Cancels the open work of a scope, each instance and task in a transaction of its own, those that run first."""

from uuid import UUID

from execution_api.bodies.control import MOST_LISTED, CancellationRequest, Cancelled
from kernel.control_models import OpenWork
from kernel.errors import Conflict, NotFound
from kernel.functions import Kernel
from kernel.models import ProcessStatus, TaskStatus

_ENDED_INSTANCE = (ProcessStatus.COMPLETED, ProcessStatus.CANCELLED)
_ENDED_TASK = (TaskStatus.DONE, TaskStatus.CANCELLED)


async def cancel_work(kernel: Kernel, asked: CancellationRequest) -> Cancelled:
    """Cancel what is open in the scope, or in a dry run only find it.

    Raises NotFound and Conflict where one task or instance is asked for that is not there, or has ended.
    """
    found = await _find(kernel, asked)
    chosen = found[: asked.most]
    instances = [work.proc_inst_id for work in chosen if work.task_id is None and work.proc_inst_id is not None]
    tasks = [work.task_id for work in chosen if work.task_id is not None]
    cancelled = 0 if asked.dry_run else sum([await _cancel(kernel, work, asked.reason) for work in chosen])
    effects = await kernel.find_effects(instances, tasks, MOST_LISTED + 1)
    return Cancelled(
        dry_run=asked.dry_run,
        instances=instances,
        tasks=tasks,
        running=sum(work.running for work in chosen),
        cancelled=cancelled,
        is_complete=len(found) <= asked.most,
        effects=effects[:MOST_LISTED],
        effects_are_complete=len(effects) <= MOST_LISTED,
    )


async def _find(kernel: Kernel, asked: CancellationRequest) -> list[OpenWork]:
    key = asked.key or ""
    if asked.scope == "task":
        return [await _task(kernel, UUID(key))]
    if asked.scope == "instance":
        return [await _instance(kernel, UUID(key))]
    return await kernel.find_open_work(asked.scope, key, asked.most + 1)


async def _task(kernel: Kernel, task_id: UUID) -> OpenWork:
    task = await kernel.require_task(task_id)
    if task.status in _ENDED_TASK:
        raise Conflict(f"Task {task_id} is {task.status}.", "task_closed", "Read the task again.")
    return OpenWork(proc_inst_id=task.proc_inst_id, task_id=task_id, running=task.status == TaskStatus.IN_PROGRESS)


async def _instance(kernel: Kernel, instance_id: UUID) -> OpenWork:
    instance = await kernel.require_instance(instance_id)
    if instance.status in _ENDED_INSTANCE:
        raise Conflict(f"Process instance {instance_id} is {instance.status} already.", "instance_closed")
    running = await kernel.find_tasks(instance_id, TaskStatus.IN_PROGRESS, limit=MOST_LISTED)
    return OpenWork(proc_inst_id=instance_id, task_id=None, running=len(running))


async def _cancel(kernel: Kernel, work: OpenWork, reason: str) -> bool:
    try:
        if work.task_id is not None:
            await kernel.cancel_task(work.task_id, reason)
        elif work.proc_inst_id is not None:
            await kernel.cancel_instance(work.proc_inst_id, reason)
    except (Conflict, NotFound):  # it ended since it was found
        return False
    return True
