"""The loop of a pod: end the last task and claim the next in one call; run it; again.

An idle pod listens for the queue's wake-up and polls besides, at pauses that grow from 60 ms (a throttled wake-up may
hide a task that came just after it) to the longest pause, with jitter so that a fleet does not poll in step. Over
Supabase there is no wake-up, and polling is all.
"""

import asyncio
import contextlib
import logging
import random
import time
from datetime import UTC, datetime
from uuid import UUID

from agent_pod.claiming.execution import Execution
from agent_pod.claiming.keeper import Keeper
from agent_pod.metrics import PodMetrics
from agent_pod.run.answer import SICK, Answer, Done, Failed, Stopped
from kernel.connect import Connection
from kernel.error_classes import ErrorClass
from kernel.errors import DatabaseUnavailable, InstanceChanged, InvalidInput, LeaseLost
from kernel.functions import Kernel
from kernel.models import ClaimedTask

logger = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.06
_REST_SECONDS = 5.0
_MOST_TROUBLES = 20  # in a row, outages not counted


class Pod:
    """One pod. `run` returns after `drain`, when the task at hand is ended or handed back."""

    def __init__(
        self,
        pod_id: UUID,
        queues: list[str],
        connection: Connection,
        execution: Execution,
        keeper: Keeper,
        metrics: PodMetrics,
        lease_seconds: int,
        idle_poll_seconds: float,
    ):
        self._pod_id = pod_id
        self._queues = queues
        self._connection = connection
        self._kernel = Kernel(connection)
        self._execution = execution
        self._keeper = keeper
        self._metrics = metrics
        metrics.busy.set_function(lambda: self.busy)
        self._lease_seconds = lease_seconds
        self._longest_pause = idle_poll_seconds
        self._pause = _FIRST_PAUSE_SECONDS
        self._draining = asyncio.Event()
        self._listening = False
        self._resting = False
        self._troubles = 0
        self._give_up_at = 0.0
        self.busy = False
        self.last_round_trip = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether the pod takes tasks."""
        return not self._draining.is_set() and not self._resting

    def drain(self) -> None:
        """Claim nothing more."""
        self._draining.set()
        self._give_up_at = time.monotonic() + self._lease_seconds

    async def run(self) -> None:
        """Work until drained."""
        ended: tuple[ClaimedTask, Answer] | None = None
        while ended or not self._draining.is_set():
            try:
                task = await self._next(ended)
            except Exception as error:
                ended = await self._after_trouble(ended, error)
                continue
            self._troubles = 0
            if ended and ended[1] == Stopped(SICK):
                await self._rest()
            ended = None
            if task is None:
                await self._idle()
                continue
            self._pause = _FIRST_PAUSE_SECONDS
            ended = (task, await self._work(task))

    async def _next(self, ended: tuple[ClaimedTask, Answer] | None) -> ClaimedTask | None:
        """End the last task and claim the next."""
        stops = self._draining.is_set() or (ended is not None and ended[1] == Stopped(SICK))
        try:
            done = await self._execution.outcome(*ended) if ended else None
            task = await self._kernel.next_task(self._pod_id, [] if stops else self._queues, self._lease_seconds, done)
        finally:
            self.last_round_trip = time.monotonic()
        if ended:
            self._keeper.release()
            self._count(*ended)
        return task

    async def _after_trouble(
        self, ended: tuple[ClaimedTask, Answer] | None, error: Exception
    ) -> tuple[ClaimedTask, Answer] | None:
        """What is still to be told after `error`.

        A lost task is dropped, a step that came too late is computed again, a result that the database cannot take
        becomes a failure, and an outage is waited out with the result in hand.
        """
        self._troubles += 1
        if isinstance(error, InstanceChanged):
            await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311  # jitter, not a secret
            return ended
        if isinstance(error, LeaseLost) or self._is_hopeless():
            self._metrics.lease_lost.inc()
            self._keeper.release()
            reason = "the lease was lost" if isinstance(error, LeaseLost) else "the end of a task is not told"
            logger.warning("%s: %s", reason, error)
            return None
        if isinstance(error, InvalidInput) and ended is not None:
            return ended[0], Failed(ErrorClass.OUTPUT_REFUSED, f"the result was refused: {error}")
        self._listening = False
        if isinstance(error, DatabaseUnavailable):
            self._troubles = 0
            logger.warning("the database is away: %s", error)
        else:
            logger.error("the pod met a defect and goes on", exc_info=error)
        await asyncio.sleep(random.uniform(0.2, 1.0))  # noqa: S311  # jitter, not a secret
        return ended

    def _is_hopeless(self) -> bool:
        # What is not told ends with its lease, and is counted as an attempt.
        return self._troubles > _MOST_TROUBLES or (self._draining.is_set() and time.monotonic() > self._give_up_at)

    async def _rest(self) -> None:
        """Nothing could be started here: leave the queue to other pods for a while."""
        self._resting = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._draining.wait(), _REST_SECONDS)
        self._resting = False

    async def _work(self, task: ClaimedTask) -> Answer:
        logger.info("claimed task %s (%s, attempt %s)", task.task_id, task.activity_id, task.attempt)
        self.busy = True
        try:
            return await self._execution.run(task)
        finally:
            self.busy = False

    async def _idle(self) -> None:
        """Wait for a wake-up, a stop or the next poll."""
        if not self._listening:
            await self._listen()
        pause = self._pause * random.uniform(0.8, 1.2)  # noqa: S311  # jitter, not a secret
        self._pause = min(self._pause * 2, self._longest_pause)
        waiting = asyncio.ensure_future(self._connection.notified(pause))
        stopping = asyncio.ensure_future(self._draining.wait())
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
        stopping.cancel()
        try:
            if await waiting:
                self._pause = _FIRST_PAUSE_SECONDS
        except asyncio.CancelledError:
            if not self._draining.is_set():
                raise
        except DatabaseUnavailable as error:
            logger.warning("lost the connection while idle: %s", error)
            self._listening = False

    async def _listen(self) -> None:
        try:
            await self._connection.listen("fleet_tasks")
            self._listening = True
        except DatabaseUnavailable:
            await asyncio.sleep(_FIRST_PAUSE_SECONDS)

    def _count(self, task: ClaimedTask, answer: Answer) -> None:
        if isinstance(answer, Stopped):
            name = answer.why
            if name == "lost":
                self._metrics.lease_lost.inc()
                logger.warning("the lease was lost while task %s ran", task.task_id)
        else:
            name = "done" if isinstance(answer, Done) else "failed"
        if isinstance(answer, Failed):
            self._metrics.failed_attempts.labels(task.agent_orch, answer.error_class).inc()
        self._metrics.task_outcomes.labels(task.agent_orch, name).inc()
        if task.attempt == 1:
            waited = (task.started_at - task.created_at).total_seconds()
            self._metrics.task_wait_seconds.labels(task.agent_orch).observe(waited)
        self._metrics.task_run_seconds.labels(task.agent_orch).observe(
            max((datetime.now(UTC) - task.started_at).total_seconds(), 0)
        )
