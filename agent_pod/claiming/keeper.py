"""The keeper: an operating-system thread with an event loop and a database connection of its own, which renews the
lease of the task at hand at a third of its length, and says that the pod lives.

Nothing that blocks the pod's main thread can starve it. It also listens for cancels, and renews at once when one comes:
the answer to a renewal tells whether the task was cancelled, stopped by a kill switch or lost. Over Supabase nothing
tells it of a cancel before the next renewal.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from uuid import UUID

from kernel.connect import Connection
from kernel.errors import DatabaseUnavailable
from kernel.functions import Kernel
from kernel.models import ClaimedTask

logger = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0


class Keeper:
    """Renews leases until `stop`. `hold` gives it a task and what to call (in the caller's loop) when it is gone.

    `pod_status` is what its heartbeats say: READY, DRAINING or STOPPED.
    """

    def __init__(self, connect: Callable[[], Connection], pod_id: UUID, lease_seconds: int):
        self._connect = connect
        self._pod_id = pod_id
        self._lease_seconds = lease_seconds
        self._held: tuple[ClaimedTask, Callable[[str], None], float] | None = None
        self._stopped = threading.Event()
        self.pod_status = "READY"
        self._thread = threading.Thread(target=lambda: asyncio.run(self._keep()), name="keeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended, at most a few seconds later."""
        self._stopped.set()
        self._thread.join(timeout=self._lease_seconds)

    def hold(self, task: ClaimedTask, gone: Callable[[str], None]) -> None:
        """Renew the lease of `task` from now on. `gone` is called once, in this thread's running loop, with
        "cancelled", "stopped" or "lost"; the last also when no renewal got through for a whole lease.
        """
        loop = asyncio.get_running_loop()
        self._held = (task, lambda why: _tell(loop, gone, why), time.monotonic() + self._lease_seconds)

    def holds(self, task: ClaimedTask) -> bool:
        """Whether the lease of `task` was renewed less than its length ago, by the pod's own clock.

        A pod that was frozen past its lease knows by this that it may be somebody else's, before it does anything.
        """
        held = self._held
        return held is not None and held[0] is task and time.monotonic() < held[2]

    def release(self) -> None:
        """The task has ended: renew no more."""
        self._held = None

    async def _keep(self) -> None:
        connection = self._connect()
        kernel = Kernel(connection)
        listening = False
        while not self._stopped.is_set():
            try:
                if not listening:
                    await connection.listen("fleet_cancel")
                    listening = True
                await self._renew(kernel)
                await kernel.heartbeat_pod(self._pod_id, self.pod_status)
                await self._wait_for_cancel(connection)
            except DatabaseUnavailable as error:
                listening = False
                logger.warning("renewal failed, trying again: %s", error)
                self._give_up_when_expired()
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:
                logger.exception("the keeper met a defect and goes on")
                self._give_up_when_expired()
                await asyncio.sleep(_RETRY_SECONDS)
        await connection.close()

    async def _wait_for_cancel(self, connection: Connection) -> None:
        due = time.monotonic() + self._lease_seconds / 3
        while (left := due - time.monotonic()) > 0 and not self._stopped.is_set():
            if str(self._pod_id) in await connection.notified(min(left, 0.5)):
                return

    async def _renew(self, kernel: Kernel) -> None:
        held = self._held
        if held is None:
            return
        task, gone, _ = held
        asked_at = time.monotonic()
        renewal = await kernel.renew_lease(task, self._lease_seconds)
        if self._held is not held:
            return
        if renewal.state == "renewed":
            self._held = (task, gone, asked_at + self._lease_seconds)
        else:
            self._held = None
            gone(renewal.state)

    def _give_up_when_expired(self) -> None:
        held = self._held
        if held is not None and time.monotonic() > held[2]:
            self._held = None
            held[1]("lost")


def _tell(loop: asyncio.AbstractEventLoop, gone: Callable[[str], None], why: str) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(gone, why)
