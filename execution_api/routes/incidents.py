"""/incidents: what stands still, and taking it up again."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from execution_api.access.auth import CallersKernel
from execution_api.bodies.control import MOST_LISTED
from execution_api.bodies.paging import Before, Limit, page
from execution_api.bodies.repair import DiscardRequest, IncidentRetried, RetryRequest
from execution_api.bodies.rows import InstanceCost, Items, Page
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.errors import NotFound
from kernel.functions import Kernel
from kernel.models import Task
from kernel.repair_models import Incident, IncidentKind
from process_engine.committing import repair

router = room("Incidents")


@router.get("/incidents", summary="List incidents", responses=errors())
async def list_incidents(
    kernel: CallersKernel,
    kind: Annotated[IncidentKind | None, Query(description="only of this kind")] = None,
    definition: Annotated[str | None, Query(description="id of a process definition")] = None,
    activity: Annotated[str | None, Query(description="BPMN id of an activity or event")] = None,
    queue: Annotated[str | None, Query(description="name of an orchestrator")] = None,
    instance: Annotated[UUID | None, Query(description="id of a process instance")] = None,
    before: Before = None,
    limit: Limit = 50,
) -> Page[Incident]:
    """What stands still until somebody repairs it, newest first, each with its reason in `error`: tasks that are FAILED
    (`task`) or were cancelled without their instance (`cancelled_task`), events that an instance could not take
    (`event`), and events that should have started one and could not (`start`)."""
    found = await kernel.find_incidents(
        kind=kind,
        definition_id=definition,
        activity_id=activity,
        queue=queue,
        instance_id=instance,
        before=before,
        limit=limit,
    )
    filters = {"kind": kind, "definition": definition, "activity": activity, "queue": queue, "instance": instance}
    return page("/incidents", found, limit, "incident_id", **filters)


@router.get("/incidents/{incident_id}", summary="Look into an incident", responses=errors(404))
async def get_incident(incident_id: UUID, kernel: CallersKernel) -> Incident:
    """An incident with its reason. It has the id of its task or event."""
    return await _read_incident(kernel, incident_id)


@router.post("/incidents/{incident_id}/retry", summary="Retry an incident", responses=errors(404, 409, 413))
async def retry_incident(incident_id: UUID, kernel: CallersKernel, body: RetryRequest | None = None) -> IncidentRetried:
    """Take an incident of any kind up again: as it is, with changed variables, from scratch, or both.

    A task has all its attempts again. As it is, it is answered from its journal what it had asked before; where its
    input changes, calls that are still the same are found as well.
    """
    asked = body or RetryRequest(reason=None, variables=None, from_scratch=False)
    done = await repair.retry(kernel, incident_id, asked.reason, asked.variables, asked.from_scratch)
    scratch = asked.from_scratch and done.task_id is not None
    return IncidentRetried(
        incident_id=incident_id,
        kind=done.kind,
        task=await kernel.get_task(done.task_id) if done.task_id else None,
        paid_again=InstanceCost.model_validate(done.model_dump()) if scratch else None,
        effects=await kernel.find_effects([], [incident_id], MOST_LISTED) if scratch else [],
    )


@router.post("/incidents/{incident_id}/discard", summary="Discard an event", responses=errors(404, 409, 413))
async def discard_incident(incident_id: UUID, body: DiscardRequest, kernel: CallersKernel) -> Incident:
    """Give up an event that a process could not take: the process never gets it. Incidents of tasks are refused.

    The answer is what is given up.
    """
    incident = await _read_incident(kernel, incident_id)
    await kernel.discard_incident(incident_id, body.reason)
    return incident


@router.post(
    "/instances/{instance_id}/incidents/retry", summary="Retry an instance's incidents", responses=errors(404, 409)
)
async def retry_instance(instance_id: UUID, kernel: CallersKernel) -> Items[Task]:
    """Take all incidents of an instance up again as they are, in one transaction; the instance is RUNNING then.

    The answer has the tasks among them.
    """
    return Items(items=await kernel.retry_instance(instance_id))


async def _read_incident(kernel: Kernel, incident_id: UUID) -> Incident:
    found = await kernel.find_incidents(incident_id=incident_id)
    if not found:
        raise NotFound(f"There is no incident {incident_id}.", "incident_unknown", "GET /incidents lists them.")
    return found[0]
