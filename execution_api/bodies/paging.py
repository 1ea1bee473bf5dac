"""Reading long lists: every list is pages keyed by the last id, and says where the next one is.

Lists from new to old take `before`, lists from old to new or by name take `after`: the id of the last item of the page
before. So a page costs the same however far down it is, and what is added meanwhile shifts nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query

from execution_api.bodies.rows import LARGEST_EVENT_ID, EventPage, Page, SentTime
from kernel.models import Event

_T = TypeVar("_T")
_A_SEQUENCE = Query(ge=0, le=LARGEST_EVENT_ID, description="id of the last one that is known")

Limit = Annotated[int, Query(ge=1, le=500, description="most items of the page")]
EventLimit = Annotated[int, Query(ge=1, le=1000, description="most events")]
Before = Annotated[UUID | None, Query(description="id of the last item of the page before")]
AfterId = Annotated[UUID | None, Query(description="id of the last item of the page before")]
AfterName = Annotated[str | None, Query(max_length=255, description="id of the last item of the page before")]
AfterNumber = Annotated[int, _A_SEQUENCE]
Time = Annotated[
    SentTime | None,
    Query(description="a time with its zone: 2026-11-20T09:30:00Z", examples=["2026-11-20T09:30:00Z"]),
]


def page(path: str, items: Sequence[_T], limit: int, key: str, *, cursor: str = "before", **filters: Any) -> Page[_T]:
    """`items` and the address of the next page: there may be one where this one is full.

    `key`: the field of an item that `cursor` is compared with.
    """
    last = getattr(items[-1], key) if len(items) == limit else None
    return Page(items=list(items), next=next_page(path, last, limit, cursor=cursor, **filters))


def next_page(path: str, last: Any, limit: int, *, cursor: str = "before", **filters: Any) -> str | None:
    """Address of the page after the one that ended with id `last` and had `filters`; None where `last` is None."""
    if last is None:
        return None
    query = {name: _plain(value) for name, value in filters.items() if value is not None}
    return f"{path}?{urlencode({**query, cursor: str(last), 'limit': limit}, doseq=True)}"


def event_page(path: str, events: list[Event], after: int, limit: int, **filters: Any) -> EventPage:
    """`events` and where to read on: behind the last of them, or still behind `after` where there is none."""
    last = events[-1].event_id if events else after
    full = last if len(events) == limit else None
    return EventPage(items=events, after=last, next=next_page(path, full, limit, cursor="after", **filters))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value if isinstance(value, list) else str(value)
