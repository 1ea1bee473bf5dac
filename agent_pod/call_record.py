"""Writes model and tool calls to the journal and counts them."""

import json
import time
from decimal import Decimal
from typing import Any

from agent_pod.desk import Work
from agent_pod.metrics import PodMetrics
from agent_pod.prices import Prices
from kernel.functions import Kernel


class CallRecorder:
    """Every call that crosses the two endpoints ends here. Raises LeaseLost where the task is no longer ours."""

    def __init__(self, kernel: Kernel, prices: Prices, metrics: PodMetrics):
        self._kernel = kernel
        self._prices = prices
        self._metrics = metrics

    async def model(self, work: Work, kind: str, request: Any, response: Any, ok: bool, started: float) -> None:
        """Record a model call. `kind`: chat, responses or embeddings; `started`: time.monotonic() at its start."""
        usage = (response.get("usage") or {}) if isinstance(response, dict) else {}
        asked = usage.get("prompt_tokens", usage.get("input_tokens")) or 0
        answered = usage.get("completion_tokens", usage.get("output_tokens")) or 0
        name = str((response.get("model") if isinstance(response, dict) else None) or request.get("model"))
        cost = self._prices.cost(name, asked, answered) if ok else Decimal(0)
        self._metrics.model_call(name, asked, answered, cost)
        await self._write(work, kind, name, request, response, ok, started, (asked, answered, cost))

    async def tool(self, work: Work, name: str, arguments: Any, result: Any, ok: bool, started: float) -> None:
        """Record a tool call; tools cost nothing."""
        self._metrics.tool_call(name, ok)
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
        storable = json.loads(json.dumps(call).replace("\\u0000", "\\u2400"))  # PostgreSQL cannot hold U+0000
        await self._kernel.record_call(work.task, storable)
