"""/events: what happens in the whole tenant, and following what happens."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import StreamingResponse

from execution_api.access.auth import Caller, CallersKernel, KnownCaller
from execution_api.bodies.paging import AfterNumber, EventLimit, event_page
from execution_api.bodies.rows import LARGEST_EVENT_ID, EventPage
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.services import services_of
from execution_api.streams.event_filters import EventFilters
from execution_api.streams.event_stream import stream_events
from execution_api.streams.sse import STREAM_ANSWER, LastEventId
from kernel.functions import Kernel

router = room("Events")


@router.get("/events", summary="What happened in the tenant", responses=errors())
async def list_events(
    kernel: CallersKernel, filters: EventFilters, after: AfterNumber = 0, limit: EventLimit = 200
) -> EventPage:
    """The tenant's events in the order of writing. To follow them, ask again with the `after` of the answer."""
    events = await kernel.find_events(None, after, limit, **filters.asked())
    return event_page("/events", events, after, limit, **filters.shown())


_FOLLOWING = {**STREAM_ANSWER, **errors(404, 503)}


@router.get(
    "/events/stream",
    summary="Follow the tenant",
    response_class=StreamingResponse,
    responses={**STREAM_ANSWER, **errors()},
)
async def follow_events(
    request: Request,
    caller: KnownCaller,
    kernel: CallersKernel,
    after: Annotated[
        int | None, Query(ge=0, le=LARGEST_EVENT_ID, description="id of an event; none: from now on")
    ] = None,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """The tenant's events as they happen, in order and each once, as server-sent events. See the one of an instance."""
    return _follow(request, caller, kernel, None, after if last_event_id is None else last_event_id)


@router.get(
    "/instances/{instance_id}/events/stream",
    summary="Follow an instance",
    response_class=StreamingResponse,
    responses=_FOLLOWING,
)
async def follow_instance(
    instance_id: UUID,
    request: Request,
    caller: KnownCaller,
    kernel: CallersKernel,
    after: AfterNumber = 0,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """The events of a process instance as they happen, in order and each once, as server-sent events.

    It begins with the first, or behind `Last-Event-ID`, which goes before `after`. The stream ends after a quarter of
    an hour; a browser comes back by itself and goes on from where it was.
    """
    await kernel.require_instance(instance_id)
    return _follow(request, caller, kernel, instance_id, after if last_event_id is None else last_event_id)


def _follow(
    request: Request, caller: Caller, kernel: Kernel, instance_id: UUID | None, after: int | None
) -> StreamingResponse:
    services = services_of(request.scope)
    return stream_events(
        services.events, kernel, services.streams, services.stopping, caller.tenant_id, instance_id, after
    )
