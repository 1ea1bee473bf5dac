"""Limits: letting a task use more, and the budget of the tenant."""

from uuid import UUID

from execution_api.access.auth import CallersKernel
from execution_api.bodies.limits import ExtendRequest, TenantBudget
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.models import Limits, Task

router = room("Limits")


@router.post("/tasks/{task_id}/extend", summary="Extend a task's limits", responses=errors(404, 409, 413))
async def extend_task(task_id: UUID, body: ExtendRequest, kernel: CallersKernel) -> Task:
    """Add to the limits of a task that an agent has still to do. One that is FAILED is taken up again: by replay it
    comes to where it was stopped, without paying anything twice."""
    return await kernel.extend_task(task_id, Limits(**body.limits.model_dump()), body.reason)


@router.get("/budget", summary="Look at the budget", responses=errors())
async def get_budget(kernel: CallersKernel) -> TenantBudget:
    """What each task of the tenant may use, and what all of them may use and have used in this day and month."""
    return TenantBudget.of(await kernel.get_budget())
