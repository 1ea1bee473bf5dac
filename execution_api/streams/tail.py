"""Following a list that grows by number, without losing what was numbered early and committed late.

Rows are numbered when they are written and seen when they are committed. So the tail looks again at what is younger
than ten seconds, and gives each row once.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")
_SECONDS_TO_COMMIT = 10.0
_PAGE = 200


class Tail(Generic[_T]):
    """Follows from behind number `after`. `read(after, limit)` gives rows in order; `number` is the one of a row.

    `floor`: behind this number there may be rows that were not given yet. Who goes on from there misses none, and may
    get those of the last ten seconds a second time.
    """

    def __init__(self, read: Callable[[int, int], Awaitable[list[_T]]], number: Callable[[_T], int], after: int):
        self._read, self._number = read, number
        self.floor = after
        self._given: dict[int, float] = {}

    async def new(self) -> list[_T]:
        """The rows that were not given yet, in order of their numbers."""
        now, found, after = time.monotonic(), list[_T](), self.floor
        while True:
            page = await self._read(after, _PAGE)
            found += [row for row in page if self._number(row) not in self._given]
            if len(page) < _PAGE:
                break
            after = self._number(page[-1])
        self._given.update((self._number(row), now) for row in found)
        settled = [number for number, at in self._given.items() if at < now - _SECONDS_TO_COMMIT]
        if settled:
            self.floor = max(settled)
            self._given = {number: at for number, at in self._given.items() if number > self.floor}
        return found
