"""/events: what happens in the whole tenant."""

from execution_api.auth import CallersKernel
from execution_api.bodies import EventPage
from execution_api.event_filters import EventFilters
from execution_api.paging import AfterNumber, EventLimit, event_page
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room

router = room("Events")


@router.get("/events", summary="What happened in the tenant", responses=errors())
async def list_events(
    kernel: CallersKernel, filters: EventFilters, after: AfterNumber = 0, limit: EventLimit = 200
) -> EventPage:
    """The tenant's events in the order of writing. To follow them, ask again with the `after` of the answer."""
    events = await kernel.find_events(None, after, limit, **filters.asked())
    return event_page("/events", events, after, limit, **filters.shown())
