"""Hears what the database tells its listeners, for all streams of this process at once.

The database tells a channel at most once in 50 ms (kernel.wake_listeners of init.sql), so whoever was woken looks again
a moment later. Where nothing can be heard, as over PostgREST, `heard` returns when its time is over.
"""

import asyncio
from collections.abc import Callable

from kernel.connect import Connection
from kernel.errors import DatabaseUnavailable

_PAUSE_SECONDS = 2.0


class Ear:
    """Listens to `channel` on a connection of its own, from the first time that somebody waits. Close it.

    `times`: how often the channel has been told something.
    """

    def __init__(self, connect: Callable[[], Connection], channel: str):
        self._connect, self._channel = connect, channel
        self.times = 0
        self._told = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None
        self._closed = False

    async def heard(self, since: int, seconds: float) -> bool:
        """Wait at most `seconds` until the channel was told something after `times` was `since`. Returns whether."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        if self.times != since:
            return True
        try:
            async with asyncio.timeout(seconds):
                return await self._told.wait()
        except TimeoutError:
            return False

    async def close(self) -> None:
        """Stop listening."""
        self._closed = True  # Python 3.11 loses a cancellation that comes together with a notification
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    async def _listen(self) -> None:
        connection = self._connect()
        try:
            while not self._closed:
                try:
                    await connection.listen(self._channel)
                    while not self._closed:
                        if await connection.notified(60):
                            self._tell()
                except DatabaseUnavailable:
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            await connection.close()

    def _tell(self) -> None:
        self.times += 1
        self._told.set()  # those who wait have this event; the next ones wait for the next
        self._told = asyncio.Event()
