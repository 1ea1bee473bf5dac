"""Server-sent events (WHATWG HTML, section 9.2): one way to let a client follow what happens.

A stream ends after a quarter of an hour, so that credentials are looked at again, and when the program ends; the
EventSource of a browser then comes back by itself with Last-Event-ID and goes on from there.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from fastapi import Header
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from execution_api.requests.problems import ApiProblem
from execution_api.streams.ear import Ear
from execution_api.streams.tail import Tail
from kernel.errors import DatabaseUnavailable

MEDIA_TYPE = "text/event-stream"
STREAM_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events as they happen: `id`, `event` and `data`, which is JSON. A comment every 15 seconds.",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}
LastEventId = Annotated[
    int | None,
    Header(alias="Last-Event-ID", ge=0, le=2**63 - 1, description="`id` of the last event that the client has seen"),
]
_T = TypeVar("_T", bound=BaseModel)
_BEAT_SECONDS = 15.0
_LONGEST_SECONDS = 900.0
_POLL_SECONDS = 2.0
_SHORTEST_PAUSE_SECONDS = 0.25


class Streams:
    """Counts the streams of this process; there are at most `most`."""

    def __init__(self, most: int):
        self._most, self._open = most, 0

    def check(self) -> None:
        """Raise ApiProblem 503 where there are as many as there may be."""
        if self._open >= self._most:
            remedy = "Try again later, or ask the operator for more with FLEET_API_STREAMS."
            detail = f"This server has {self._most} open streams already."
            raise ApiProblem(503, "streams_full", detail, remedy=remedy, headers={"Retry-After": "30"})

    @contextmanager
    def one(self) -> Iterator[None]:
        """Count one while it is open."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


def stream(
    tail: Tail[_T], kind: Callable[[_T], str], ear: Ear, streams: Streams, stopping: asyncio.Event
) -> StreamingResponse:
    """An answer that follows `tail`; `kind` is the `event` of a row. Raises ApiProblem 503 where there are too many."""
    streams.check()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second: proxies pass on at once
    return StreamingResponse(_lines(tail, kind, ear, streams, stopping), media_type=MEDIA_TYPE, headers=headers)


async def _lines(
    tail: Tail[_T], kind: Callable[[_T], str], ear: Ear, streams: Streams, stopping: asyncio.Event
) -> AsyncIterator[str]:
    ends = time.monotonic() + _LONGEST_SECONDS
    beat = 0.0
    with streams.one():
        yield "retry: 2000\n\n"
        while time.monotonic() < ends and not stopping.is_set():
            since, began = ear.times, time.monotonic()
            try:
                rows = await tail.new()
            except DatabaseUnavailable:
                return  # the client comes back
            for row in rows:
                yield f"id: {tail.floor}\nevent: {kind(row)}\ndata: {row.model_dump_json()}\n\n"
            if not rows and began > beat:
                yield ": \n\n"
            if rows or began > beat:
                beat = began + _BEAT_SECONDS
            # What was written just after a wake-up was told to nobody, so after rows it looks again soon.
            heard = ear.heard(since, _SHORTEST_PAUSE_SECONDS if rows else _POLL_SECONDS)
            await _first_of(heard, stopping.wait())
            await _first_of(asyncio.sleep(began + _SHORTEST_PAUSE_SECONDS - time.monotonic()), stopping.wait())


async def _first_of(*awaitables: Coroutine[Any, Any, object]) -> None:
    waits = [asyncio.create_task(awaitable) for awaitable in awaitables]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
