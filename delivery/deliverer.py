"""The loop: claim what is due, send it, end it.

Each delivery has a lease and a fencing token. A deliverer that dies leaves its deliveries SENDING, and when their
leases have run out another claims them: a receiver may then get one twice, with the same idempotency key, but never
not at all.
"""

import asyncio
import logging
import random
import time
from collections.abc import Mapping

from delivery.attempt import Attempt, Send, later
from delivery.metrics import DeliveryMetrics
from kernel.connect import Connection
from kernel.errors import DatabaseUnavailable, LeaseLost
from kernel.functions import Kernel
from kernel.notification_models import ClaimedDelivery, DeliveryOutcome, OutboxChannel

CHANNEL = "fleet_outbox"
_FIRST_PAUSE, _GROWTH = 0.1, 1.6  # seconds; the first one is longer than kernel.wake_listeners stays silent
_UPKEEP_SECONDS = 60
_SHARE_OF_A_TENANT = 4
_SPARE_LEASE_SECONDS = 30
_log = logging.getLogger(__name__)


class Deliverer:
    """Sends over `channels`, at most `slots` at a time, each within `timeout_seconds`.

    `kernel` may be called by several at once; `ear` is a connection of its own, to listen on.
    """

    def __init__(
        self,
        kernel: Kernel,
        ear: Connection,
        channels: Mapping[OutboxChannel, Send],
        metrics: DeliveryMetrics,
        slots: int,
        timeout_seconds: float,
        poll_seconds: float,
    ):
        self._kernel, self._ear, self._channels, self._metrics = kernel, ear, channels, metrics
        self._slots, self._timeout, self._poll = slots, timeout_seconds, poll_seconds
        self._lease_seconds = int(2 * timeout_seconds) + _SPARE_LEASE_SECONDS
        self._wake, self._stopping = asyncio.Event(), asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._tended = -float(_UPKEEP_SECONDS)
        self.last_round_trip = time.monotonic()

    def stop(self) -> None:
        """Claim nothing more. `run` ends when what is being sent has ended."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Deliver until `stop`."""
        listening = asyncio.create_task(self._listen())
        pause = _FIRST_PAUSE
        try:
            while not self._stopping.is_set():
                self._wake.clear()
                claimed = await self._claim()
                pause = _FIRST_PAUSE if claimed else min(pause * _GROWTH, self._poll)
                if await self._woken_within(pause * random.uniform(0.8, 1.2)):  # noqa: S311  # no secret
                    pause = _FIRST_PAUSE
        finally:
            listening.cancel()
            await asyncio.gather(listening, *self._running, return_exceptions=True)

    async def _claim(self) -> int:
        free = self._slots - len(self._running)
        if not free:
            return 0
        try:
            await self._tend()
            share = max(self._slots // _SHARE_OF_A_TENANT, 1)
            claimed = await self._kernel.claim_deliveries(list(self._channels), free, share, self._lease_seconds)
        except DatabaseUnavailable as error:
            _log.warning("nothing claimed: %s", error)
            return 0
        self.last_round_trip = time.monotonic()
        for delivery in claimed:
            task = asyncio.create_task(self._deliver(delivery))
            self._running.add(task)
            task.add_done_callback(self._ended)
        return len(claimed)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()):
            _log.error("a delivery was not ended", exc_info=error)

    async def _deliver(self, delivery: ClaimedDelivery) -> None:
        began = time.monotonic()
        attempt = await self._attempt(delivery)
        self._metrics.seconds.labels(delivery.channel).observe(time.monotonic() - began)
        status = await self._finish(delivery, attempt, began + self._lease_seconds)
        outcome = "dead" if status == "DEAD" else attempt.outcome if status else "lost"
        self._metrics.deliveries.labels(delivery.channel, outcome).inc()
        if attempt.outcome is not DeliveryOutcome.DELIVERED:
            words = "delivery %s of tenant %s by %s is %s after attempt %s: %s"
            identity = (delivery.outbox_id, delivery.tenant_id, delivery.channel)
            _log.warning(words, *identity, status or "lost", delivery.attempts, attempt.error)

    async def _attempt(self, delivery: ClaimedDelivery) -> Attempt:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._channels[delivery.channel](delivery)
        except TimeoutError:
            return later(f"no answer within {self._timeout:g} s")
        except Exception as error:
            # Its words may hold what is nobody's business; where it came from is enough to mend it.
            at = error.__traceback__
            while at and at.tb_next:
                at = at.tb_next
            place = f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else "?"
            _log.error("a defect of channel %s: %s at %s", delivery.channel, type(error).__name__, place)
            return later(f"a defect of the deliverer: {type(error).__name__}")

    async def _finish(self, delivery: ClaimedDelivery, attempt: Attempt, lease_ends: float) -> str | None:
        """End it, and try again while the lease lasts where the database is away. None: the lease was lost."""
        while True:
            try:
                return await self._kernel.finish_delivery(
                    delivery, attempt.outcome, attempt.error, attempt.retry_after_seconds
                )
            except LeaseLost:
                return None
            except DatabaseUnavailable as error:
                if time.monotonic() > lease_ends:
                    return None
                _log.warning("delivery %s not ended yet: %s", delivery.outbox_id, error)
                await asyncio.sleep(1)

    async def _tend(self) -> None:
        if time.monotonic() - self._tended < _UPKEEP_SECONDS:
            return
        self._tended = time.monotonic()
        await self._kernel.remind_people()
        buried, _ = await self._kernel.tend_outbox()
        if buried:
            _log.warning("%s deliveries are DEAD: too old, or their deliverers were lost", buried)

    async def _listen(self) -> None:
        while True:
            try:
                await self._ear.listen(CHANNEL)
                while True:
                    if await self._ear.notified(60):
                        self._wake.set()
            except DatabaseUnavailable:
                await asyncio.sleep(self._poll)

    async def _woken_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._wake.wait()
        except TimeoutError:
            return False
