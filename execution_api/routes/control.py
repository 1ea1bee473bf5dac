"""/cancellations and /kill-switches: ending work, and holding it back."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from execution_api.access.auth import CallersKernel
from execution_api.bodies.control import (
    CancellationRequest,
    Cancelled,
    KillSwitchAnswer,
    KillSwitchReleased,
    KillSwitchRequest,
)
from execution_api.bodies.paging import Before, Limit, page
from execution_api.bodies.rows import Page
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.work.cancellations import cancel_work
from kernel.control_models import KillSwitch

router = room("Control")


@router.post("/cancellations", summary="Cancel open work", responses=errors(404, 409, 413))
async def cancel(body: CancellationRequest, kernel: CallersKernel) -> Cancelled:
    """Cancel a task, an instance, or all open work of an agent, an orchestrator or the tenant. Unless `dry_run` is
    false, only say what it would be.

    What belongs to an instance ends with it; only the scope `task` leaves the instance, which is in ERROR until the
    task is retried or the instance cancelled. `effects` lists what cannot be undone.
    """
    return await cancel_work(kernel, body)


@router.get("/kill-switches", summary="List kill switches", responses=errors())
async def list_kill_switches(
    kernel: CallersKernel,
    is_set: Annotated[bool | None, Query(alias="set", description="only those that are set, or that are not")] = None,
    before: Before = None,
    limit: Limit = 50,
) -> Page[KillSwitch]:
    """The tenant's kill switches and those of the whole fleet, newest first, released ones among them."""
    found = await kernel.find_kill_switches(is_set, before, limit)
    return page("/kill-switches", found, limit, "switch_id", set=is_set)


@router.post(
    "/kill-switches",
    status_code=201,
    summary="Set a kill switch",
    responses={
        200: {"model": KillSwitchAnswer, "description": "A drill: nothing was stopped."},
        **errors(404, 409, 413),
    },
)
async def set_kill_switch(body: KillSwitchRequest, response: Response, kernel: CallersKernel) -> KillSwitchAnswer:
    """Nothing of the scope is claimed from now on: what is queued, comes back or comes new waits until the release."""
    key = body.key or ""
    if body.drill:
        response.status_code = 200
        hit = await kernel.drill_kill_switch(body.scope, key, body.reason)
        return KillSwitchAnswer(kill_switch=None, **hit.model_dump())
    made = await kernel.set_kill_switch(body.scope, key, body.reason, body.stops_running)
    parked, stopped = await kernel.enforce_kill_switch(made.switch_id)
    return KillSwitchAnswer(kill_switch=made, running=stopped, waiting=parked, task_ids=[])


@router.delete("/kill-switches/{switch_id}", summary="Release a kill switch", responses=errors(404, 409))
async def release_kill_switch(switch_id: UUID, kernel: CallersKernel) -> KillSwitchReleased:
    """End a kill switch; what it had parked is back in the queue, in the order of priority and age."""
    released = await kernel.release_kill_switch(switch_id)
    return KillSwitchReleased(kill_switch=released, resumed=await kernel.resume_work())
