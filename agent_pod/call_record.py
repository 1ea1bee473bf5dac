"""Writes model and tool calls to the journal and counts them."""

import time
from decimal import Decimal
from typing import Any

from agent_pod.desk import Work
from agent_pod.metrics import PodMetrics
from agent_pod.prices import Prices
from agent_pod.storable import storable
from kernel.functions import Kernel

OTHER = "other"  # the metric label for names that user space made up: there may be any number of them
_MOST_TOKENS = 2**31


class CallRecorder:
    """Every call that crosses the two endpoints ends here. Raises LeaseLost where the task is no longer ours."""

    def __init__(self, kernel: Kernel, prices: Prices, metrics: PodMetrics):
        self._kernel = kernel
        self._prices = prices
        self._metrics = metrics

    async def model(self, work: Work, kind: str, request: Any, response: Any, ok: bool, started: float) -> None:
        """Record a model call. `kind`: chat, responses or embeddings; `started`: time.monotonic() at its start."""
        whole = response if isinstance(response, dict) else {}
        usage = whole.get("usage") if isinstance(whole.get("usage"), dict) else {}
        asked = _count(usage, "prompt_tokens", "input_tokens")
        answered = _count(usage, "completion_tokens", "output_tokens")
        name = str(whole.get("model") or request.get("model"))[:200]
        cost = self._prices.cost(name, asked, answered) if ok or asked or answered else Decimal(0)
        self._metrics.model_call(name if ok else OTHER, asked, answered, cost)
        await self._write(work, kind, name, request, response, ok, started, (asked, answered, cost))

    async def tool(
        self, work: Work, name: str, arguments: Any, result: Any, ok: bool, started: float, known: bool
    ) -> None:
        """Record a tool call; tools cost nothing. `known`: there is a tool of that name."""
        self._metrics.tool_call(name if known else OTHER, ok)
        await self._write(work, "tool", name, arguments, result, ok, started, (0, 0, Decimal(0)))

    async def _write(
        self,
        work: Work,
        kind: str,
        name: str,
        request: Any,
        response: Any,
        ok: bool,
        started: float,
        usage: tuple[int, int, Decimal | None],
    ) -> None:
        call = {
            "kind": kind,
            "name": name,
            "request": request,
            "response": response,
            "outcome": "ok" if ok else "error",
            "input_tokens": usage[0],
            "output_tokens": usage[1],
            "cost_usd": None if usage[2] is None else str(usage[2]),
            "latency_ms": round((time.monotonic() - started) * 1000),
        }
        try:
            await self._kernel.record_call(work.task, storable(call))
        except RecursionError:
            too_deep = {"error": "nested too deep to be stored"}
            await self._kernel.record_call(work.task, storable({**call, "request": too_deep, "response": too_deep}))


def _count(usage: Any, *names: str) -> int:
    """A token count as some endpoint gave it: whatever is no number counts as 0."""
    found = next((usage[name] for name in names if usage.get(name) is not None), 0)
    return max(int(found), 0) if isinstance(found, int | float) and abs(found) < _MOST_TOKENS else 0
