"""Reads new events once for all streams of this process.

One task listens, and reads what is new for all tenants that somebody follows. Each stream has a place in a room, which
is an instance or a whole tenant; a room keeps its latest events as ready text. A stream that is slower than that reads
for itself what it has missed, so nothing is kept for it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from execution_api.streams.ear import Ear
from execution_api.streams.event_horizon import EventHorizon
from kernel.errors import DatabaseUnavailable
from kernel.functions import Kernel
from kernel.models import Event, TenantEvent

_KEPT = 64  # events of a room
_PAGE = 1000
_SOON_SECONDS, _POLL_SECONDS = 0.06, 1.0  # the first: a little longer than the database waits between two wake-ups
_WANTED_SECONDS, _ASK_AGAIN_SECONDS = 60, 20
_log = logging.getLogger("execution_api")

RoomKey = tuple[str, UUID | None]


def event_text(event: Event) -> bytes:
    """An event as server-sent events have it (WHATWG HTML, section 9.2.6)."""
    data = event.model_dump_json(exclude={"tenant_id"})
    return f"id: {event.event_id}\nevent: {event.event_type}\ndata: {data}\n\n".encode()


class Room:
    """The latest events of an instance or a tenant. `floor`: behind this number it has all up to the hub's."""

    def __init__(self, floor: int):
        self.floor = floor
        self.streams = 0
        self.changed = asyncio.Event()
        self._events: deque[tuple[int, bytes]] = deque()

    def put(self, number: int, text: bytes) -> None:
        """Add the next event."""
        self._events.append((number, text))
        if len(self._events) > _KEPT:
            self.floor = self._events.popleft()[0]
        self.wake()

    def after(self, number: int) -> list[tuple[int, bytes]]:
        """The events behind `number`, which must not be below the floor."""
        return [event for event in self._events if event[0] > number]

    def wake(self) -> None:
        """Let everybody look who waits."""
        self.changed.set()
        self.changed = asyncio.Event()


class EventHub:
    """`kernel`: without a tenant. It works while there is a stream, and costs nothing without. Close it."""

    def __init__(self, kernel: Kernel, ear: Ear, stopping: asyncio.Event):
        self._kernel, self._ear, self._stopping = kernel, ear, stopping
        self._rooms: dict[RoomKey, Room] = {}
        self._streams = 0
        self._work: asyncio.Task[None] | None = None
        self._began = asyncio.Event()
        self._horizon = EventHorizon()
        self._position = 0
        self._asked = float("-inf")

    @property
    def position(self) -> int:
        """Up to which number everything was given to the rooms. Valid within `place`."""
        return self._position

    @asynccontextmanager
    async def place(self, key: RoomKey) -> AsyncIterator[Room]:
        """A place in a room. Waits until the first horizon is known, where this is the first stream."""
        self._streams += 1
        try:
            await self._start()
            room = self._rooms.setdefault(key, Room(self._position))
            room.streams += 1
            try:
                yield room
            finally:
                room.streams -= 1
                if not room.streams:
                    del self._rooms[key]
        finally:
            self._streams -= 1

    async def close(self) -> None:
        """Stop reading."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _start(self) -> None:
        if self._work is None:
            self._began, self._horizon, self._asked = asyncio.Event(), EventHorizon(), float("-inf")
            self._work = asyncio.create_task(self._run())
        await self._began.wait()

    async def _run(self) -> None:
        stop = asyncio.create_task(self._wake_all_at_the_end())
        try:
            while self._streams and not self._stopping.is_set():
                told = self._ear.times
                is_moving = await self._step()
                await self._ear.heard(told, _SOON_SECONDS if is_moving else _POLL_SECONDS)
        finally:
            stop.cancel()
            self._work = None
            self._began.set()

    async def _step(self) -> bool:
        """Give the rooms what is new. Returns whether there is more to come soon."""
        try:
            await self._want()
            self._horizon.learn(await self._kernel.event_marks())
            return await self._read() or self._horizon.is_behind
        except DatabaseUnavailable as error:
            _log.warning("events cannot be followed for the moment: %s", error)
            return False

    async def _want(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._asked > _ASK_AGAIN_SECONDS:
            await self._kernel.want_events(_WANTED_SECONDS)
            self._asked = now

    async def _read(self) -> bool:
        reached = self._horizon.reached
        if reached is None:
            return False
        if not self._began.is_set():
            self._position = reached
            self._began.set()
        has_moved = self._position < reached
        while self._position < reached:
            tenants = sorted({tenant for tenant, _ in self._rooms})
            events = await self._kernel.events_between(tenants, self._position, reached, _PAGE)
            for event in events:
                self._give(event)
            upto = events[-1].event_id if len(events) == _PAGE else reached
            self._leave_to_themselves(
                [room for (tenant, _), room in self._rooms.items() if tenant not in tenants], upto
            )
            self._position = upto
        return has_moved

    def _leave_to_themselves(self, rooms: list[Room], floor: int) -> None:
        # They came while the events were read, without theirs: their streams read for themselves up to there.
        for room in rooms:
            room.floor = floor
            room.wake()

    def _give(self, event: TenantEvent) -> None:
        rooms = [self._rooms.get((event.tenant_id, None)), self._rooms.get((event.tenant_id, event.proc_inst_id))]
        text = b""
        for room in {id(room): room for room in rooms if room is not None}.values():
            text = text or event_text(event)
            room.put(event.event_id, text)

    async def _wake_all_at_the_end(self) -> None:
        await self._stopping.wait()
        for room in self._rooms.values():
            room.wake()
