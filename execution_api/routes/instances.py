"""/instances: start, list, look into and cancel process instances."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query, Response

from execution_api.access.auth import CallersKernel, KnownCaller
from execution_api.access.initiator import choose_initiator, with_initiator
from execution_api.bodies.paging import AfterNumber, Before, EventLimit, Limit, Time, event_page, next_page, page
from execution_api.bodies.rows import (
    BulkCancelled,
    BulkCancelRequest,
    CancelRequest,
    EventPage,
    InstanceCost,
    InstanceDetail,
    InstanceLinks,
    InstanceStarted,
    JournalCall,
    Page,
    StartRequest,
    Version,
)
from execution_api.requests.idempotency import REPLAYED, IdempotencyKey, fingerprint, mark_replayed
from execution_api.requests.variable_search import VariableFilter, parse_variables
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.streams.event_filters import EventFilters
from execution_api.work.bulk_cancel import cancel_all
from kernel.functions import Kernel
from kernel.journal_models import CallKind
from kernel.models import InstanceSummary, ProcessStatus
from process_engine.committing import advance

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
    version: Annotated[Version | None, Query(description="version of the process definition")] = None,
    initiator: Annotated[str | None, Query(description="on whose behalf it was started")] = None,
    started_from: Time = None,
    started_before: Time = None,
    variable: VariableFilter = None,
    before: Before = None,
    limit: Limit = 50,
) -> Page[InstanceSummary]:
    """Process instances, newest first."""
    found = await kernel.find_instances(
        status,
        definition,
        before,
        limit,
        version=version,
        initiator=initiator,
        started_from=started_from,
        started_before=started_before,
        variables=parse_variables(variable),
    )
    items = [InstanceSummary.model_validate(i.model_dump()) for i in found if i.is_match]
    more = len(items) == limit or len(items) < len(found)
    filters: dict[str, Any] = {
        "status": status,
        "definition": definition,
        "version": version,
        "initiator": initiator,
        "started_from": started_from,
        "started_before": started_before,
        "variable": variable,
    }
    last = found[-1].id if more else None
    return Page(items=items, next=next_page("/instances", last, limit, **filters))


@router.get("/{instance_id}", summary="Look into an instance", responses=errors(404))
async def get_instance(instance_id: UUID, kernel: CallersKernel) -> InstanceDetail:
    """A process instance with its variables, its tasks and its cost."""
    return await _detail(kernel, instance_id)


@router.get("/{instance_id}/events", summary="What happened in an instance", responses=errors(404))
async def list_instance_events(
    instance_id: UUID,
    kernel: CallersKernel,
    filters: EventFilters,
    after: AfterNumber = 0,
    limit: EventLimit = 200,
) -> EventPage:
    """The events of a process instance in the order of writing."""
    await kernel.require_instance(instance_id)
    events = await kernel.find_events(instance_id, after, limit, **filters.asked())
    return event_page(f"/instances/{instance_id}/events", events, after, limit, **filters.shown())


@router.get("/{instance_id}/calls", summary="Model and tool calls of an instance", responses=errors(404))
async def list_calls(
    instance_id: UUID,
    kernel: CallersKernel,
    task: Annotated[UUID | None, Query(description="id of a task")] = None,
    kind: Annotated[CallKind | None, Query(description="what was called")] = None,
    name: Annotated[str | None, Query(description="name of a model or a tool")] = None,
    outcome: Annotated[Literal["ok", "error"] | None, Query(description="how it ended")] = None,
    after: AfterNumber = 0,
    limit: Limit = 200,
) -> Page[JournalCall]:
    """The journal of a process instance: every model and tool call with request, response, tokens and cost."""
    await kernel.require_instance(instance_id)
    calls = await kernel.find_calls(instance_id, task, limit, after=after, kind=kind, name=name, outcome=outcome)
    items = [JournalCall.model_validate(call.model_dump()) for call in calls]
    filters = {"task": task, "kind": kind, "name": name, "outcome": outcome}
    return page(f"/instances/{instance_id}/calls", items, limit, "call_id", cursor="after", **filters)


@router.post("/cancel", summary="Cancel many instances", responses=errors(413))
async def cancel_instances(body: BulkCancelRequest, kernel: CallersKernel) -> BulkCancelled:
    """Cancel the newest open process instances that fit. Unless `dry_run` is false, only say which ones these are."""
    return await cancel_all(kernel, body)


@router.post("/{instance_id}/cancel", summary="Cancel an instance", responses=errors(404, 409, 413))
async def cancel_instance(instance_id: UUID, body: CancelRequest, kernel: CallersKernel) -> InstanceDetail:
    """End a process instance and its open tasks; pods that work on them are told to stop."""
    await kernel.cancel_instance(instance_id, body.reason)
    return await _detail(kernel, instance_id)


async def _detail(kernel: Kernel, instance_id: UUID) -> InstanceDetail:
    instance = await kernel.require_instance(instance_id)
    return InstanceDetail(
        **instance.model_dump(exclude={"state", "revision"}),
        tasks=await kernel.find_tasks(instance_id, limit=500),
        cost=InstanceCost.model_validate((await kernel.instance_cost(instance_id)).model_dump()),
        links=InstanceLinks.of(instance_id),
    )
