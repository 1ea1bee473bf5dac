"""/incidents: what failed, and taking it up again."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from execution_api.auth import CallersKernel
from execution_api.bodies import Items, Page
from execution_api.paging import Before, Limit, page
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.models import Task, TaskStatus

router = room("Incidents")


@router.get("/incidents", summary="List incidents", responses=errors())
async def list_incidents(
    kernel: CallersKernel,
    definition: Annotated[str | None, Query(description="id of a process definition")] = None,
    activity: Annotated[str | None, Query(description="BPMN id of an activity")] = None,
    queue: Annotated[str | None, Query(description="name of an orchestrator")] = None,
    before: Before = None,
    limit: Limit = 50,
) -> Page[Task]:
    """Tasks that are FAILED, newest first, each with its reason in `error`."""
    found = await kernel.find_tasks(
        None, TaskStatus.FAILED, None, before, limit, definition_id=definition, activity_id=activity, queue=queue
    )
    return page("/incidents", found, limit, "task_id", definition=definition, activity=activity, queue=queue)


@router.post(
    "/instances/{instance_id}/incidents/retry", summary="Retry an instance's incidents", responses=errors(404, 409)
)
async def retry_instance(instance_id: UUID, kernel: CallersKernel) -> Items[Task]:
    """Take all FAILED tasks of an instance up again as they are, in one transaction; the instance is RUNNING then."""
    return Items(items=await kernel.retry_instance(instance_id))
