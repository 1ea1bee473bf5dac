"""Repair by operators: forks, moves, the steps of an instance, and many at once."""

from uuid import UUID

from fastapi import Response

from execution_api.access.auth import CallersKernel
from execution_api.bodies.repair import ForkRequest, InstanceMoved, MoveRequest, RepairRequest, Repairs, Step
from execution_api.bodies.rows import InstanceLinks, InstanceStarted, Items
from execution_api.requests.idempotency import REPLAYED, IdempotencyKey, fingerprint, mark_replayed
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.work.bulk_repair import repair_all
from kernel.functions import Kernel
from process_engine.committing import repair

router = room("Repair")

_LOCATION = {"Location": {"description": "address of the instance", "schema": {"type": "string"}}}
_MOST_FORKS = 20


@router.get("/instances/{instance_id}/steps", summary="List the steps of an instance", responses=errors(404))
async def list_steps(instance_id: UUID, kernel: CallersKernel) -> Items[Step]:
    """What moved a process instance on, in its order: its start, tasks that were done, events that came, repairs.

    Those of a fork begin with the steps of the instance that it came from, up to where it was forked.
    """
    return Items(items=await _steps(kernel, instance_id, _MOST_FORKS))


@router.post(
    "/instances/{instance_id}/fork",
    status_code=201,
    summary="Fork an instance",
    responses={201: {"headers": {**_LOCATION, **REPLAYED}}, **errors(404, 409, 413)},
)
async def fork_instance(
    instance_id: UUID,
    body: ForkRequest,
    response: Response,
    kernel: CallersKernel,
    idempotency_key: IdempotencyKey = None,
) -> InstanceStarted:
    """Start another instance where this one stood when a task was open, or before one of its steps, with the variables
    it had then. What was done before is not done again; this instance stays as it is.

    What is open there opens anew: tasks without a journal, timers from their beginning. Where it is not known exactly
    how the instance stood then, the answer is 409.
    """
    started = await repair.fork(
        kernel,
        instance_id,
        body.reason,
        task_id=body.task_id,
        step_number=body.step,
        variables=body.variables,
        version=body.version,
        idempotency_key=idempotency_key,
        fingerprint=fingerprint(f"fork {instance_id}", body) if idempotency_key else None,
    )
    mark_replayed(response, started.replayed)
    links = InstanceLinks.of(started.proc_inst_id)
    response.headers["Location"] = links.instance
    return InstanceStarted(process_instance_id=started.proc_inst_id, links=links)


@router.post("/instances/{instance_id}/move", summary="Move a token", responses=errors(404, 409, 413))
async def move_token(instance_id: UUID, body: MoveRequest, kernel: CallersKernel) -> InstanceMoved:
    """Cancel what is open where a token is, and let the process go on from another element.

    Refused with 409 where that would not be sound: out of or into a sub-process, one instance of several, while
    something is undone, and where a join would wait for ever or let a token through twice.
    """
    moved = await repair.move(kernel, instance_id, body.from_, body.to, body.variables, body.reason)
    return InstanceMoved(process_instance_id=moved.proc_inst_id, step=moved.revision)


@router.post("/repairs", summary="Repair many", responses=errors(413))
async def repair_many(body: RepairRequest, kernel: CallersKernel) -> Repairs:
    """Retry the incidents that fit, or move the tokens of the instances that fit, newest first. Unless `dry_run` is
    false, only say what would be done and what would be refused.

    Each is a transaction of its own, and its outcome is in the answer; `next` goes on where `most` was not enough.
    """
    return await repair_all(kernel, body)


async def _steps(kernel: Kernel, instance_id: UUID, forks_left: int) -> list[Step]:
    instance = await kernel.require_instance(instance_id)
    own = [
        Step(proc_inst_id=instance_id, step=step.revision, **step.model_dump(include=_TOLD))
        for step in await kernel.find_steps(instance_id)
    ]
    if instance.forked_from is None or instance.forked_step is None or not forks_left:
        return own
    earlier = await _steps(kernel, instance.forked_from, forks_left - 1)
    shared = [s for s in earlier if s.proc_inst_id != instance.forked_from or s.step < instance.forked_step]
    return shared + own


_TOLD = {"kind", "task_id", "activity_id", "name", "actor", "at"}
