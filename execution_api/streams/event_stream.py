"""A stream of events: all of an instance or a tenant from a number on, in order, each once."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from uuid import UUID

from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from execution_api.streams.event_hub import EventHub, Room, event_text
from execution_api.streams.sse import MEDIA_TYPE, Streams
from kernel.errors import DatabaseUnavailable
from kernel.functions import Kernel

_BEAT_SECONDS = 15.0
_LONGEST_SECONDS = 900.0
_SECONDS_TO_TAKE = 60.0
_PAGE = 200
_BEAT = b": \n\n"
_log = logging.getLogger("execution_api")


def stream_events(
    hub: EventHub,
    kernel: Kernel,
    streams: Streams,
    stopping: asyncio.Event,
    tenant_id: str,
    instance_id: UUID | None,
    after: int | None,
) -> StreamingResponse:
    """An answer that follows an instance (None: the whole tenant) behind event `after` (None: from now on).

    `kernel` is the caller's: what is older than the hub's memory is read with their rights. Raises ApiProblem 503 where
    there are too many streams.
    """
    streams.check()
    lines = _lines(hub, kernel, streams, stopping, (tenant_id, instance_id), after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second: proxies pass on at once
    return _PatientStream(lines, media_type=MEDIA_TYPE, headers=headers)


class _PatientStream(StreamingResponse):
    """Gives up on a client that takes nothing for a minute."""

    async def stream_response(self, send: Send) -> None:
        async def patient(message: Message) -> None:
            async with asyncio.timeout(_SECONDS_TO_TAKE):
                await send(message)

        try:
            await super().stream_response(patient)
        except TimeoutError:
            _log.info("a client took nothing of its stream for %s s; it was left", _SECONDS_TO_TAKE)


async def _lines(
    hub: EventHub,
    kernel: Kernel,
    streams: Streams,
    stopping: asyncio.Event,
    key: tuple[str, UUID | None],
    after: int | None,
) -> AsyncIterator[bytes]:
    ends = time.monotonic() + _LONGEST_SECONDS
    with streams.one():
        yield b"retry: 2000\n\n"
        async with hub.place(key) as room:
            cursor = hub.position if after is None else after
            while time.monotonic() < ends and not stopping.is_set():
                changed = room.changed
                try:
                    cursor, texts = await _next(hub, kernel, room, key[1], cursor)
                except DatabaseUnavailable:
                    return  # the client comes back
                if texts:
                    yield b"".join(texts)
                elif not await _within(changed, _BEAT_SECONDS):
                    yield _BEAT


async def _next(
    hub: EventHub, kernel: Kernel, room: Room, instance_id: UUID | None, cursor: int
) -> tuple[int, list[bytes]]:
    """What is behind `cursor` and can be given now, and the new cursor."""
    if cursor >= room.floor:
        events = room.after(cursor)
        return (events[-1][0] if events else cursor), [text for _, text in events]
    upto = max(room.floor, hub.position)
    found = await kernel.find_events(instance_id, cursor, _PAGE, upto=upto)
    reached = found[-1].event_id if len(found) == _PAGE else upto
    return reached, [event_text(event) for event in found]


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
