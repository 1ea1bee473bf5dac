"""Waits out an outage of the database in the middle of a run, with what was paid for in hand."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent_pod.run.current_task import Work
from kernel.errors import DatabaseUnavailable

_T = TypeVar("_T")
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.0


async def through_outage(work: Work, call: Callable[[], Awaitable[_T]]) -> _T:
    """What `call` gives, called again until the database takes it, or until the run of `work` is over.

    `call` must be one that can be made twice: the first may have been committed with only its answer lost. Raises what
    it raises; DatabaseUnavailable only when the run is over, which it is at the latest when the lease has run out.
    """
    pause = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await call()
        except DatabaseUnavailable:
            if work.ended.is_set():
                raise
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # jitter, not a secret
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
