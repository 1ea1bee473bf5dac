"""The journal as the two endpoints use it: a call that an earlier run of the task made is answered from it, and any
other is written to it before its answer is handed over.

A call is known by its task, kind and canonical request, and by how often the task has asked it: the same call twice is
two calls. A run that repeats calls in another order still finds each of them.
"""

import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import uuid5

from agent_pod.calls.limiter import Limiter
from agent_pod.calls.prices import Prices
from agent_pod.calls.usage import Usage, usage_of
from agent_pod.metrics import PodMetrics
from agent_pod.run.call_failures import CallFailure
from agent_pod.run.current_task import Work
from agent_pod.run.lease_check import check_lease
from agent_pod.run.outage import through_outage
from agent_pod.run.storable import storable
from agent_pod.run.task_calls import STARTED, UNANSWERED
from agent_pod.tool_door.waiting_tools import WAITING_TOOLS
from kernel.error_classes import ErrorClass
from kernel.errors import InvalidInput, LeaseLost
from kernel.functions import Kernel
from kernel.journal_models import JournalledCall, Replay
from kernel.models import Json
from kernel.packing import Packed, digest

OTHER = "other"  # the metric label for names that user space or a tenant made up: there may be any number of them
_DELIVERY = ("stream", "stream_options")  # how an answer comes, not what it says
_FREE = Usage("", 0, 0, Decimal(0))
_TOO_DEEP = {"error": "nested too deep to be stored"}


@dataclass(frozen=True)
class Asked:
    """A call of the run at hand. `earlier`: the same call of an earlier run, where there was one.

    `call_id` and `occurrence` are of a call that is written down already.
    """

    work: Work
    kind: str
    name: str
    request: Packed
    key: str
    earlier: JournalledCall | None
    started: float
    call_id: int | None = None
    occurrence: int | None = None

    @property
    def is_answered(self) -> bool:
        """Whether the journal has the answer."""
        return self.earlier is not None and self.earlier.outcome not in UNANSWERED

    @property
    def may_have_run(self) -> bool:
        """Whether an earlier run began it and nobody knows how it ended."""
        return self.earlier is not None and self.earlier.outcome == STARTED

    @property
    def idempotency_key(self) -> str:
        """The same for this call in every run of the task, and for no other call."""
        return str(uuid5(self.work.task.task_id, f"{self.key} {self.occurrence}"))


class Journal:
    """Every call that crosses the two endpoints. Methods raise LeaseLost where the task is no longer ours."""

    def __init__(self, kernel: Kernel, prices: Prices, metrics: PodMetrics, limiter: Limiter | None = None):
        self._limiter = limiter or Limiter(kernel, prices, metrics)
        self._kernel = kernel
        self._prices = prices
        self._metrics = metrics

    async def ask(self, work: Work, kind: str, name: str, request: Json, started: float) -> Asked:
        """Look a call up. `kind`: chat, responses, embeddings or tool; `name`: of the model or tool; `started`:
        time.monotonic() when it came. Raises InvalidInput where `request` is nested too deep, and LimitReached where
        it is a new call and the task may make no more."""
        calls = work.calls
        async with calls.loading:
            if not calls.loaded:
                calls.load(await through_outage(work, lambda: self._kernel.journalled_calls(work.task)))
        try:
            packed = _packed(work, request)
        except RecursionError:
            raise InvalidInput("it is nested too deep", "nesting") from None
        question = {name: part for name, part in packed.body.items() if name not in _DELIVERY}
        key = digest([kind, name if kind == "tool" else "", question, packed.parts])
        earlier = calls.take(key)
        if earlier is None or earlier.outcome in UNANSWERED:
            calls.live += 1
        occurrence = earlier.occurrence if earlier else None
        if kind == "tool" and name in WAITING_TOOLS:
            work.limits.repeats.forget()
        if earlier is None or earlier.outcome in UNANSWERED:
            await self._limiter.admit(work, kind, name, key, earlier is not None)
        return Asked(work, kind, name, packed, key, earlier, started, occurrence=occurrence)

    async def check_lease(self, work: Work) -> None:
        """Raise LeaseLost where the task is somebody else's by now: see agent_pod/run/lease_check.py."""
        await check_lease(self._kernel, work)

    async def replay(self, asked: Asked) -> tuple[Any, bool]:
        """The answer of a call that `is_answered`, and whether it was a good one."""
        assert asked.earlier is not None
        replay = await self._answer(asked.work, asked.earlier.call_id)
        asked.work.calls.packer.remember(asked.request)
        asked.work.calls.replayed += 1
        asked.work.calls.passing += replay.outcome != "ok"
        self._metrics.replayed_calls.labels(asked.kind).inc()
        asked.work.limits.repeats.note(asked.kind, asked.key, replay.response, replay.outcome == "ok")
        return asked.work.aliases.show(replay.response), replay.outcome == "ok"

    async def _answer(self, work: Work, call_id: int) -> Replay:
        calls = work.calls
        async with calls.reading:
            if replay := calls.at_hand(call_id):
                return replay
            wanted = calls.to_read(call_id)
            calls.keep(await through_outage(work, lambda: self._kernel.replay_calls(work.task, wanted)))
            replay = calls.at_hand(call_id)
        if replay is None:
            raise LeaseLost("the journal no longer has the answer of a call that it had when the task was claimed")
        return replay

    async def begin(self, asked: Asked, idempotent: bool) -> Asked:
        """Write a tool call down before the tool runs. `idempotent`: it leaves nothing that one would have to undo."""
        occurrence = asked.occurrence or asked.work.calls.next_occurrence(asked.key)
        call = {**_head(asked, asked.name, _FREE, STARTED), "occurrence": occurrence, "replayable": True}
        call["idempotent"] = idempotent
        written = await through_outage(asked.work, lambda: self._kernel.record_call(asked.work.task, call))
        asked.work.calls.packer.remember(asked.request)
        return replace(asked, call_id=written.call_id, occurrence=occurrence)

    async def tool(self, asked: Asked, result: Json, ok: bool, label: str) -> None:
        """Write what a tool answered. `label`: what metrics call the tool."""
        self._metrics.tool_call(label, ok)
        asked.work.troubles.note(asked.started, None if ok else CallFailure(ErrorClass.TOOL_FAILED, asked.name))
        written = {} if asked.call_id is None else {"call_id": asked.call_id}
        await self._write(asked, asked.name, result, ok, _FREE, replayable=True, written=written)

    def leave_open(self, asked: Asked, label: str) -> None:
        """Nobody knows how a tool call that was begun has ended: asked again, it is made again with the same key."""
        assert asked.call_id is not None and asked.occurrence is not None
        self._metrics.tool_call(label, False)
        asked.work.calls.leave_open(asked.call_id, asked.key, asked.occurrence)

    async def model(self, asked: Asked, response: Any, ok: bool, whole: bool) -> None:
        """Write what a model endpoint answered. `whole`: the answer can be given again."""
        usage = usage_of(asked.request.body, response, ok, self._prices)
        self._metrics.model_call(usage.model if ok else OTHER, usage.input_tokens, usage.output_tokens, usage.cost_usd)
        await self._write(asked, usage.model, response, ok, usage, replayable=ok and whole, written={})

    async def _write(
        self, asked: Asked, name: str, response: Any, ok: bool, usage: Usage, replayable: bool, written: Json
    ) -> None:
        work, calls = asked.work, asked.work.calls
        call = {**_head(asked, name, usage, "ok" if ok else "error"), "replayable": replayable, **written}
        if written:
            del call["request"]
        if replayable and not written:
            call["occurrence"] = calls.next_occurrence(asked.key)
        if asked.earlier is None and (left := calls.divergence()):
            call["diverged"] = {"unreplayed": left}
        try:
            said = work.aliases.hide(storable(response))
            answer = calls.packer.pack(said)
        except RecursionError:
            said, answer, call = None, calls.packer.pack(_TOO_DEEP), {**call, "replayable": False}
        told = {**call, "response": answer}
        news = await through_outage(work, lambda: self._kernel.record_call(work.task, told))
        calls.packer.remember(asked.request)
        calls.packer.remember(answer)
        work.limits.repeats.note(asked.kind, asked.key, said, ok)
        await self._limiter.note(work, usage.input_tokens + usage.output_tokens, usage.cost_usd, news)


def _packed(work: Work, request: Json) -> Packed:
    """`request` as it goes to the journal. Only what no earlier request of the run held is worked through."""
    packer, aliases = work.calls.packer, work.aliases
    if aliases.looks:
        aliases.find(storable(packer.unseen(request)))
    return packer.pack_request(request, lambda part: aliases.replace(storable(part)), aliases.edition)


def _head(asked: Asked, name: str, usage: Usage, outcome: str) -> Json:
    return {
        "kind": asked.kind,
        "name": storable(name),
        "request": asked.request,
        "outcome": outcome,
        "call_key": asked.key,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": None if usage.cost_usd is None else str(usage.cost_usd),
        "latency_ms": round((time.monotonic() - asked.started) * 1000),
    }
