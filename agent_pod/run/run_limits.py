"""What one run of a task may still use: the strictest limits of its activity, agent, tenant and pod, with what people
added, held against what all its runs have used."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from agent_pod.run.loop_breaker import Repeats
from kernel.limit_models import Budget, Journalled, TaskLimits
from kernel.models import Limits

MODEL_CALLS, TOOL_CALLS, TOKENS, COST_USD, RUN_SECONDS, REPEATS = Limits.model_fields
_OF_TOOLS = (TOOL_CALLS, RUN_SECONDS, REPEATS)
_OF_MODELS = (MODEL_CALLS, TOKENS, COST_USD, RUN_SECONDS, REPEATS)


@dataclass(frozen=True)
class Bound:
    """A limit that holds. `set_by`: who says so; `period`: day or month of a tenant's budget, until `ends_at`."""

    kind: str
    used: Decimal | float
    most: Decimal | int
    set_by: str
    period: str | None = None
    ends_at: datetime | None = None

    @property
    def name(self) -> str:
        """Its name in metrics: the kind, or that of a budget as in budget_day_tokens."""
        return self.kind if self.period is None else f"budget_{self.period}_{self.kind}"

    def __str__(self) -> str:
        return f"{self.kind} {amount(self.used)} of {amount(self.most)}"


class RunLimits:
    """Nothing is known and nothing limited until `load`.

    `reached`: why this run may make no more calls, for people. `warned`: names of bounds that people were told of.
    """

    def __init__(self) -> None:
        self.loading = asyncio.Lock()
        self.loaded = False
        self.repeats = Repeats()
        self.reached: str | None = None
        self.warned: set[str] = set()
        self.timers: list[asyncio.TimerHandle] = []
        self._begun = time.monotonic()
        self._sources: list[tuple[str, Limits]] = []
        self._added = Limits()
        self._budget: Budget | None = None
        self._ran = 0.0
        self._used: dict[str, Decimal | int] = {MODEL_CALLS: 0, TOOL_CALLS: 0, TOKENS: 0, COST_USD: Decimal(0)}

    def load(self, found: TaskLimits, agent_id: str | None, pod: Limits) -> None:
        """Take in what the database says, and the limits of the pod."""
        self._sources = [
            ("the activity", found.activity),
            (f"agent {agent_id}", found.agent),
            ("the tenant", found.tenant),
            ("the pod", pod),
        ]
        self._added, self._budget = found.added, found.budget
        self.warned.update(found.warned)
        self._ran = found.used.run_seconds
        self._used = found.used.model_dump(exclude={RUN_SECONDS})
        self.loaded = True

    def count(self, is_tool: bool) -> None:
        """A call begins that no run has made before."""
        self._used[TOOL_CALLS if is_tool else MODEL_CALLS] += 1

    def spend(self, tokens: int, cost_usd: Decimal | None) -> None:
        """A model call has ended."""
        self._used[TOKENS] += tokens
        self._used[COST_USD] += cost_usd or Decimal(0)

    def update(self, news: Journalled) -> bool:
        """Take in what has changed meanwhile; whether people have added something."""
        self._budget = news.budget
        more, self._added = news.added != self._added, news.added
        if more:
            self.warned.clear()
        return more

    def passed(self, is_tool: bool, key: str, counted: bool) -> Bound | None:
        """The first limit that a new call would pass. `key`: of the call; `counted`: an earlier run has begun it."""
        for bound in self._bounds(_OF_TOOLS if is_tool else _OF_MODELS, self.repeats.times(key)):
            if bound.used >= bound.most and not (counted and bound.kind == TOOL_CALLS):
                return bound
        return None

    def near(self, share: float) -> list[Bound]:
        """Limits of which at least `share` is used, and nobody was told."""
        return [
            bound
            for bound in self._bounds(tuple(Limits.model_fields), self.repeats.most())
            if float(bound.used) >= share * float(bound.most) and bound.name not in self.warned
        ]

    def run_seconds(self) -> Bound | None:
        """The limit of time in a pod."""
        return self._bound(RUN_SECONDS, time.monotonic() - self._begun + self._ran)

    @property
    def has_price_limit(self) -> bool:
        """Whether money is limited, so that prices have to be known."""
        budgets = self._budget.budget.values() if self._budget else ()
        return any(limits.cost_usd for _, limits in self._sources) or any(budget.cost_usd for budget in budgets)

    def close(self) -> None:
        """The run is over."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()

    def _bounds(self, kinds: tuple[str, ...], repeated: int) -> Iterator[Bound]:
        used = {**self._used, REPEATS: repeated, RUN_SECONDS: time.monotonic() - self._begun + self._ran}
        for kind in kinds:
            bound = self._bound(kind, used[kind])
            if bound is not None:
                yield bound
        if self._budget is None or TOKENS not in kinds:
            return
        for period, budget in self._budget.budget.items():
            spent = self._budget.spent[period]
            for kind, most in budget:
                if most is not None:
                    yield Bound(kind, getattr(spent, kind), most, "the tenant", period, spent.ends_at)

    def _bound(self, kind: str, used: Decimal | float) -> Bound | None:
        given = [(most, by) for by, limits in self._sources if (most := getattr(limits, kind)) is not None]
        if not given:
            return None
        most, set_by = min(given, key=lambda limit: limit[0])
        added = getattr(self._added, kind)
        return Bound(kind, used, most + added if added else most, f"{set_by}, and more by people" if added else set_by)


def amount(number: Decimal | float) -> str:
    """A number for people: money to a millionth of a dollar, seconds to a tenth."""
    text = f"{number:.6f}" if isinstance(number, Decimal) else f"{number:.1f}"
    return text.rstrip("0").rstrip(".")
