"""/instances: start, list, look into and cancel process instances."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from execution_api.auth import CallersKernel, KnownCaller
from execution_api.bodies import (
    CallList,
    CancelRequest,
    EventPage,
    InstanceCost,
    InstanceDetail,
    InstanceLinks,
    InstanceStarted,
    Page,
    StartRequest,
)
from execution_api.idempotency import REPLAYED, IdempotencyKey, fingerprint, mark_replayed
from execution_api.initiator import choose_initiator, with_initiator
from execution_api.paging import CallLimit, EventAfter, EventLimit, Limit, next_page, read_on
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.waiting import read_instance
from kernel.functions import Kernel
from kernel.models import InstanceSummary, ProcessStatus
from process_engine import advance

router = room("Instances", "/instances")

_LOCATION = {"Location": {"description": "address of the instance", "schema": {"type": "string"}}}


@router.post(
    "",
    status_code=201,
    summary="Start an instance",
    responses={201: {"headers": {**_LOCATION, **REPLAYED}}, **errors(404, 413)},
)
async def start_instance(
    body: StartRequest,
    response: Response,
    kernel: CallersKernel,
    caller: KnownCaller,
    idempotency_key: IdempotencyKey = None,
) -> InstanceStarted:
    """Start a process instance of the newest version of a definition, or of the version that is named."""
    initiator = choose_initiator(caller, body.initiator, "initiator")
    started = await advance.start(
        kernel,
        body.process_definition_id,
        with_initiator(body.variables, initiator, "variables"),
        initiator,
        body.version,
        idempotency_key,
        fingerprint("start", body) if idempotency_key else None,
    )
    mark_replayed(response, started.replayed)
    links = InstanceLinks.of(started.proc_inst_id)
    response.headers["Location"] = links.instance
    return InstanceStarted(process_instance_id=started.proc_inst_id, links=links)


@router.get("", summary="List instances", responses=errors())
async def list_instances(
    kernel: CallersKernel,
    status: ProcessStatus | None = None,
    definition: Annotated[str | None, Query(description="id of a process definition")] = None,
    before: Annotated[UUID | None, Query(description="id of the last instance of the page before")] = None,
    limit: Limit = 50,
) -> Page[InstanceSummary]:
    """Process instances, newest first."""
    items = await kernel.find_instances(status, definition, before, limit)
    last = items[-1].id if len(items) == limit else None
    return Page(items=items, next=next_page("/instances", last, limit, status=status, definition=definition))


@router.get("/{instance_id}", summary="Look into an instance", responses=errors(404))
async def get_instance(instance_id: UUID, kernel: CallersKernel) -> InstanceDetail:
    """A process instance with its variables, its tasks and its cost."""
    return await _detail(kernel, instance_id)


@router.get("/{instance_id}/events", summary="What happened in an instance", responses=errors(404))
async def list_instance_events(
    instance_id: UUID, kernel: CallersKernel, after: EventAfter = 0, limit: EventLimit = 200
) -> EventPage:
    """The events of a process instance in the order of writing."""
    await read_instance(kernel, instance_id)
    return read_on(await kernel.find_events(instance_id, after, limit), after)


@router.get("/{instance_id}/calls", summary="Model and tool calls of an instance", responses=errors(404))
async def list_calls(instance_id: UUID, kernel: CallersKernel, limit: CallLimit = 200) -> CallList:
    """The journal of a process instance: every model and tool call with request, response, tokens and cost."""
    await read_instance(kernel, instance_id)
    calls = await kernel.find_calls(instance_id, limit=limit + 1)
    return CallList.model_validate(
        {"items": [c.model_dump() for c in calls[:limit]], "is_complete": len(calls) <= limit}
    )


@router.post("/{instance_id}/cancel", summary="Cancel an instance", responses=errors(404, 409, 413))
async def cancel_instance(instance_id: UUID, body: CancelRequest, kernel: CallersKernel) -> InstanceDetail:
    """End a process instance and its open tasks; pods that work on them are told to stop."""
    await kernel.cancel_instance(instance_id, body.reason)
    return await _detail(kernel, instance_id)


async def _detail(kernel: Kernel, instance_id: UUID) -> InstanceDetail:
    instance = await read_instance(kernel, instance_id)
    return InstanceDetail(
        **instance.model_dump(exclude={"state", "revision"}),
        tasks=await kernel.find_tasks(instance_id, limit=500),
        cost=InstanceCost.model_validate((await kernel.instance_cost(instance_id)).model_dump()),
        links=InstanceLinks.of(instance_id),
    )
