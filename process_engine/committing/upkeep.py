"""Keeps the events of all tenants moving, in the background of a program: every API and every pod does it."""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator

from kernel.errors import DatabaseUnavailable
from kernel.functions import Kernel
from process_engine.committing.arrivals import work_off_arrivals

logger = logging.getLogger(__name__)
_MOST_PAUSE_AFTER_TROUBLE_SECONDS = 30.0


class Upkeep:
    """Works off arrivals, looking for them about every `pause_seconds`, and at once when it is told to `hurry`."""

    def __init__(self, kernel: Kernel, pause_seconds: float) -> None:
        self._kernel = kernel
        self._pause = pause_seconds
        self._wanted = asyncio.Event()
        self._ends = False

    def hurry(self) -> None:
        """Look now: something has just come."""
        self._wanted.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do it as long as the block lasts."""
        self._ends = False
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            # Python 3.11 loses a cancellation that comes together with an answer (wait_for), so it is told as well.
            self._ends = True
            self._wanted.set()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Do it until cancelled. Nothing that goes wrong ends it."""
        pause = self._pause
        while not self._ends:
            try:
                while await work_off_arrivals(self._kernel):
                    pass
                pause = self._pause
            except DatabaseUnavailable as error:
                logger.warning("the database is away, so events wait: %s", error)
                pause = min(pause * 2, _MOST_PAUSE_AFTER_TROUBLE_SECONDS)
            except Exception:
                logger.exception("the upkeep of events met a defect and goes on")
                pause = min(pause * 2, _MOST_PAUSE_AFTER_TROUBLE_SECONDS)
            await self._rest(pause)

    async def _rest(self, pause: float) -> None:
        with contextlib.suppress(TimeoutError):
            # jitter, so that many programs do not look in step
            await asyncio.wait_for(self._wanted.wait(), pause * random.uniform(0.7, 1.3))  # noqa: S311
        self._wanted.clear()
