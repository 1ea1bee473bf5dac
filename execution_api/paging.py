"""Reading long lists: pages keyed by the last id, and events by the number of the last one."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query

from execution_api.bodies import LARGEST_EVENT_ID, EventPage
from kernel.models import Event

Limit = Annotated[int, Query(ge=1, le=500, description="most items of the page")]
EventLimit = Annotated[int, Query(ge=1, le=1000, description="most events")]
EventAfter = Annotated[int, Query(ge=0, le=LARGEST_EVENT_ID, description="id of the last event that is known")]
CallLimit = Annotated[int, Query(ge=1, le=999, description="most calls")]


def next_page(path: str, last: UUID | None, limit: int, **filters: str | None) -> str | None:
    """Address of the page after the one that ended with id `last` and had `filters`; None where `last` is None."""
    if last is None:
        return None
    query = {name: value for name, value in filters.items() if value is not None}
    return f"{path}?{urlencode({**query, 'before': str(last), 'limit': limit})}"


def read_on(events: list[Event], after: int) -> EventPage:
    """`events` and where to read on: behind the last of them, or still behind `after` where there is none."""
    return EventPage(items=events, after=events[-1].event_id if events else after)
