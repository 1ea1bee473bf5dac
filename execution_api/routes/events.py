"""/events: what happens in the whole tenant."""

from execution_api.auth import CallersKernel
from execution_api.bodies import EventPage
from execution_api.paging import EventAfter, EventLimit, read_on
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room

router = room("Events")


@router.get("/events", summary="What happened in the tenant", responses=errors())
async def list_events(kernel: CallersKernel, after: EventAfter = 0, limit: EventLimit = 200) -> EventPage:
    """The tenant's events in the order of writing. To follow them, ask again with the `after` of the answer."""
    return read_on(await kernel.find_events(None, after, limit), after)
