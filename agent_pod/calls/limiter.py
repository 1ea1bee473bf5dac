"""The limits of tasks, in one place for every framework: before a call goes out it is held against them.

What was used is read with the first new call of a run, or after a second, and counted here from there on; what people
added meanwhile and what the whole tenant has spent comes with each call that is written to the journal. Near a limit
an event says so. At it the run comes to a soft stop: that call and every other new one is refused, the orchestrator has
a moment to end, and its task is an incident, whatever it answers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from decimal import Decimal

from agent_pod.calls.prices import Prices
from agent_pod.metrics import PodMetrics
from agent_pod.run.answer import LIMIT
from agent_pod.run.current_task import Work
from agent_pod.run.outage import through_outage
from agent_pod.run.run_limits import COST_USD, REPEATS, Bound, amount
from kernel.errors import FleetError
from kernel.functions import Kernel
from kernel.limit_models import Journalled
from kernel.models import Limits

logger = logging.getLogger(__name__)
_LOAD_AFTER_SECONDS = 1.0  # a run that makes no call is limited in its time as well
_NO_PRICE = "no_price"


class LimitReached(FleetError):
    """A call that may not be made. The message tells the agent."""


class Limiter:
    """One for a pod. `most`: its own limits of a task; `warn_at`: the share of a limit at which an event is written;
    `grace_seconds`: how long an orchestrator whose call was refused may take to end."""

    def __init__(
        self,
        kernel: Kernel,
        prices: Prices,
        metrics: PodMetrics,
        most: Limits | None = None,
        warn_at: float = 0.8,
        grace_seconds: float = 10.0,
    ):
        self._kernel = kernel
        self._prices = prices
        self._metrics = metrics
        self._most = most or Limits()
        self._warn_at = warn_at
        self._grace_seconds = grace_seconds
        self._doing: set[asyncio.Task[None]] = set()

    def begin(self, work: Work) -> None:
        """A run begins."""
        work.limits.timers.append(
            asyncio.get_running_loop().call_later(_LOAD_AFTER_SECONDS, self._do, work, self._load)
        )

    async def admit(self, work: Work, kind: str, name: str, key: str, counted: bool) -> None:
        """Let a call through that the journal cannot answer, or raise LimitReached.

        `kind`, `name` and `key` as in journal.Asked; `counted`: an earlier run has begun it.
        """
        await self._load(work)
        limits, is_tool = work.limits, kind == "tool"
        if limits.reached is None:
            if bound := limits.passed(is_tool, key, counted):
                self._reach(work, bound.name, _reason(bound, work, f"{kind} {name}"))
            elif not is_tool and limits.has_price_limit and self._prices.cost(name, 0, 0) is None:
                self._reach(work, _NO_PRICE, _without_price(name))
        if limits.reached is not None:
            told = limits.reached.partition(". ")[0]
            raise LimitReached(f"{told}. Every further call of this task is refused: end now with what you have.")
        if not counted:
            limits.count(is_tool)

    async def note(self, work: Work, tokens: int, cost_usd: Decimal | None, news: Journalled) -> None:
        """A call was written to the journal; `tokens` and `cost_usd` are 0 for a tool."""
        work.limits.spend(tokens, cost_usd)
        if work.limits.update(news):
            self._arm(work)
        await self._warn(work)

    async def _load(self, work: Work) -> None:
        limits = work.limits
        async with limits.loading:
            if not limits.loaded:
                found = await through_outage(work, lambda: self._kernel.task_limits(work.task))
                limits.load(found, work.task.agent_id, self._most)
                self._arm(work)

    def _arm(self, work: Work) -> None:
        """Look again when a share of the time, or all of it, is used up."""
        bound = work.limits.run_seconds()
        if work.limits.reached is not None:
            return
        work.limits.close()
        if bound is None:
            return
        used, most = float(bound.used), float(bound.most)
        due = most * self._warn_at if used < most * self._warn_at else most
        again = asyncio.get_running_loop().call_later(max(due - used, 0), self._do, work, self._tick)
        work.limits.timers.append(again)

    async def _tick(self, work: Work) -> None:
        bound = work.limits.run_seconds()
        if bound is None or work.limits.reached is not None:
            return
        if bound.used >= bound.most:
            self._reach(work, bound.name, _reason(bound, work, ""))
            return
        await self._warn(work)
        self._arm(work)

    async def _warn(self, work: Work) -> None:
        for bound in work.limits.near(self._warn_at):
            work.limits.warned.add(bound.name)
            data = {"used": amount(bound.used), "most": amount(bound.most), "set_by": bound.set_by}
            try:
                await self._kernel.warn_of_limit(work.task, bound.kind, data, bound.period)
            except FleetError as error:  # the call it comes with was made and paid: that goes before
                logger.warning("a warning of %s is not written: %s", bound.name, error)

    def _reach(self, work: Work, name: str, reason: str) -> None:
        """The soft stop begins."""
        logger.warning("task %s: %s", work.task.task_id, reason)
        self._metrics.limits_reached.labels(name).inc()
        work.limits.reached = reason
        work.limits.close()
        loop = asyncio.get_running_loop()
        work.limits.timers.append(loop.call_later(self._grace_seconds, work.stop, LIMIT))

    def _do(self, work: Work, what: Callable[[Work], Awaitable[None]]) -> None:
        doing = asyncio.ensure_future(self._carefully(work, what))
        self._doing.add(doing)
        doing.add_done_callback(self._doing.discard)

    async def _carefully(self, work: Work, what: Callable[[Work], Awaitable[None]]) -> None:
        try:
            if not work.ended.is_set():
                await what(work)
        except FleetError as error:
            logger.warning("the limits of task %s are not looked at: %s", work.task.task_id, error)


def _reason(bound: Bound, work: Work, call: str) -> str:
    if bound.period is not None:
        spent = f"{bound} for the {bound.period}"
        until = f"{bound.ends_at:%Y-%m-%dT%H:%MZ}"
        return f"budget used up: {spent}, set by the tenant. Raise it with fleet tenant-limits, or retry after {until}."
    loop = f": {call} was asked the same and answered the same" if bound.kind == REPEATS else ""
    more = f"POST /tasks/{work.task.task_id}/extend, or fleet extend, adds {bound.kind} to it and goes on"
    return f"limit reached: {bound}, set by {bound.set_by}{loop}. {more}."


def _without_price(model: str) -> str:
    return f"limit reached: {COST_USD} cannot be held, as model {model} has no price. Add it to FLEET_MODEL_PRICES."
