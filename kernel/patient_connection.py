"""A connection that waits for a quick answer where it stands."""

import asyncio
import select
from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

from kernel.function_connection import FunctionConnection

_R = TypeVar("_R")
_PATIENCE_MS = 25
_LONGEST_TURN_SECONDS = 0.05
_READABLE = 1  # psycopg's word for it, in both directions: what a generator waits for, and what it is told


class PatientConnection(FunctionConnection):
    """Waits at most 25 milliseconds for each answer without giving way to the event loop, then as psycopg does.

    Most calls are answered within that time, on a busy server too, and a trip through the event loop costs more than
    the rest of a call. For a connection that is not shared: whoever calls has nothing to do until the answer is there.
    Where calls follow each other without a pause, the loop gets its turn every 50 milliseconds.
    """

    _poll: "select.poll | None" = None
    _gave_way = 0.0

    async def wait(self, gen: Generator[Any, Any, _R], interval: float = 0.1, timeout: float | None = None) -> _R:
        """See psycopg.AsyncConnection.wait."""
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.pgconn.socket, select.POLLIN)
        try:
            wish = next(gen)
            while wish == _READABLE and self._poll.poll(_PATIENCE_MS):
                wish = gen.send(_READABLE)
        except StopIteration as end:
            if monotonic() - self._gave_way > _LONGEST_TURN_SECONDS:
                await asyncio.sleep(0)
                self._gave_way = monotonic()
            return end.value
        return await super().wait(_from_there_on(gen, wish), interval, timeout)


def _from_there_on(gen: Generator[Any, Any, _R], wish: Any) -> Generator[Any, Any, _R]:
    try:
        while True:
            wish = gen.send((yield wish))
    except StopIteration as end:
        return end.value
