"""Limits of a task: a warning near them, a soft stop at them, and going on by replay when a person extends them."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

import openai
import psycopg
import pytest
from psycopg.types.json import Jsonb
from replay_bench import Bench, Run

from agent_pod.calls.prices import Price, Prices
from agent_pod.claiming.execution import _judged
from agent_pod.run.answer import Done, Failed, Stopped
from agent_pod.tool_door.tools import Tool
from kernel.errors import Conflict, InvalidInput
from kernel.models import Agent, Limits, Task

OFFLINE = "offline-extractive"
Enqueue = Callable[..., Any]


async def ask(run: Run, text: str) -> str:
    async with run.model() as model:
        said: Any = [{"role": "user", "content": f"{text} The key to the archive is under the mat by the door."}]
        answer = await model.chat.completions.create(model=OFFLINE, messages=said)
    return str(answer.choices[0].message.content)


async def refused(run: Run, text: str = "Refused?") -> str:
    """The message with which a model call is refused."""
    with pytest.raises(openai.PermissionDeniedError) as caught:
        await ask(run, text)
    assert caught.value.code == "limit_reached"
    return caught.value.message


async def end(bench: Bench, run: Run, output: Any = None) -> Task:
    """End the run as its pod does, with what its orchestrator answered; returns the task."""
    judged = _judged(run.work, Done(output or {"half": 1}))
    assert isinstance(judged, Failed) and judged.error_class == "limit_reached" and not judged.afresh
    key = {"tenant_id": "acme", "task_id": str(run.task.task_id), "fencing_token": run.task.fencing_token}
    done = {
        **key,
        "outcome": "failed",
        "reason": judged.reason,
        "output": judged.output,
        "error_class": "limit_reached",
    }
    await bench.kernel.next_task(run.task.task_id, [], 60, done)
    task = await bench.api.get_task(run.task.task_id)
    assert task is not None
    return task


def paid(bench: Bench) -> int:
    return sum(bench.upstream.asked.values())


def counted(bench: Bench, limit: str) -> float:
    return bench.metrics.registry.get_sample_value("limits_reached_total", {"limit": limit}) or 0


def counter(name: str, answers: Any) -> Tool:
    """A tool whose result is the next of `answers`, whatever it is asked."""

    async def run(_task: Any, _arguments: Any, _meta: Any) -> Any:
        return {"answer": next(answers)}

    return Tool(name, "", {"type": "object"}, True, run)


async def test_at_a_limit_calls_are_refused_the_task_is_an_incident_and_goes_on_where_it_stopped_when_extended(
    bench: Bench, enqueue: Enqueue
) -> None:
    [task_id] = await enqueue(limits={"model_calls": 3})
    async with bench.again() as run:
        answers = [await ask(run, text) for text in ("One?", "Two?", "Three?")]
        said = await refused(run)
        assert "limit reached: model_calls 3 of 3" in said and "end now" in said and str(task_id) not in said
        assert "end now" in await run.tool("report_progress", message="the stop is for all new calls")
        task = await end(bench, run, {"half": "done"})
    assert (task.status, task.error_class, task.output) == ("FAILED", "limit_reached", {"half": "done"})
    assert task.error == (
        f"limit reached: model_calls 3 of 3, set by the activity. POST /tasks/{task_id}/extend, or fleet extend, adds "
        "model_calls to it and goes on."
    )
    assert paid(bench) == 3 and counted(bench, "model_calls") == 1
    extended = await bench.api.extend_task(task_id, Limits(model_calls=2), "worth it")
    assert (extended.status, extended.attempt) == ("PENDING", 0)
    [event] = await bench.events("LIMIT_EXTENDED")
    assert (event.actor, event.message, event.data) == (
        "user:ann@acme.test", "worth it", {"added": {"model_calls": 2}},
    )  # fmt: skip
    async with bench.again() as run:
        assert [await ask(run, text) for text in ("One?", "Two?", "Three?")] == answers
        assert run.work.calls.replayed == 3 and paid(bench) == 3
        await ask(run, "Four?")
        await ask(run, "Five?")
        assert "model_calls 5 of 5, set by the activity, and more by people" in await refused(run)
    assert paid(bench) == 5 and {call.outcome for call in await bench.calls()} == {"ok"}


async def test_a_task_that_is_replayed_is_not_held_against_what_it_paid_before(bench: Bench, enqueue: Enqueue) -> None:
    await enqueue(limits={"model_calls": 2, "tokens": 1_000_000}, max_attempts=9)
    for _ in range(3):
        async with bench.again() as run:
            await ask(run, "One?")
            await ask(run, "Two?")
            assert run.work.limits.reached is None
    assert paid(bench) == 2
    async with bench.again() as run:
        assert "model_calls 2 of 2" in await refused(run), "counted over all attempts"


@pytest.mark.parametrize(
    ("kind", "most", "set_by"),
    [("tokens", 60, "agent clerk"), ("cost_usd", 0.00005, "the tenant"), ("tool_calls", 2, "the pod")],
)
async def test_the_strictest_limit_counts_and_says_who_set_it(
    bench: Bench, enqueue: Enqueue, owner: psycopg.Connection, kind: str, most: float, set_by: str
) -> None:
    bench.prices = Prices({"offline": Price(input=Decimal(1), output=Decimal(1))})
    loose, strict = {kind: most * 1000 if kind == "cost_usd" else int(most) * 1000}, {kind: most}
    by_agent, by_tenant, by_pod = (strict if set_by.startswith(who) else loose for who in ("agent", "the t", "the p"))
    await bench.api.save_agent(
        Agent(
            agent_id="clerk", name="C", role="r", goal="g", persona="", model=None, tools=[], limits=Limits(**by_agent)
        )  # type: ignore[arg-type]
    )
    owner.execute("select * from public.set_tenant_limits('acme', %s, '{}')", [Jsonb(by_tenant)])
    bench.most = Limits(**by_pod)  # type: ignore[arg-type]
    await enqueue(limits=loose, agent_id="clerk")
    async with bench.again() as run:
        for number in count(1):
            if kind == "tool_calls":
                said = await run.tool("report_progress", message=str(number))
            else:
                said = await (refused(run) if run.work.limits.passed(False, "", False) else ask(run, str(number)))
            if "limit reached" in said:
                break
            assert number < 10
        assert f"limit reached: {kind} " in said and said.partition(". ")[0].endswith(f"set by {set_by}")


async def test_near_a_limit_one_event_says_so_and_a_limit_that_was_extended_is_a_new_one(
    bench: Bench, enqueue: Enqueue
) -> None:
    [task_id] = await enqueue(limits={"model_calls": 5}, max_attempts=9)
    for text in ("Four?", "Else?"):
        async with bench.again() as run:
            for number in ("One?", "Two?", "Three?", text):
                await ask(run, number)
    [event] = await bench.events("LIMIT_NEAR")
    assert event.message == "model_calls: 4 of 5" and event.data == {
        "used": "4", "most": "5", "set_by": "the activity", "limit": "model_calls", "period": None,
    }  # fmt: skip
    async with bench.again() as run:
        await bench.api.extend_task(task_id, Limits(model_calls=3), "while it runs")
        await ask(run, "Four?")
        await run.tool("report_progress", message="a call brings the news of it")
        await ask(run, "Six?")
        assert run.work.limits.reached is None
        await ask(run, "Seven?")
    assert [e.message for e in await bench.events("LIMIT_NEAR")] == ["model_calls: 4 of 5", "model_calls: 7 of 8"]


async def test_the_same_call_with_the_same_answer_is_a_loop_also_back_and_forth(bench: Bench, enqueue: Enqueue) -> None:
    bench.most = Limits(repeats=5)
    bench.tools += [counter("ping", iter(lambda: "same", None)), counter("pong", iter(lambda: "same", None))]
    await enqueue(max_attempts=9)
    for times in (3, 5):  # what was replayed is heard again
        async with bench.again() as run:
            for _ in range(times):
                assert '"same"' in await run.tool("ping", a=1, b=[2])
                assert '"same"' in await run.tool("pong")
    async with bench.again() as run:
        for _ in range(5):
            await run.tool("ping", b=[2], a=1)
        assert await run.tool("ping", a=2) == '{"answer": "same"}', "other arguments are another call"
        said = await run.tool("ping", a=1, b=[2])
        assert (
            "limit reached: repeats 5 of 5, set by the pod: tool ping was asked the same and answered the same" in said
        )
        task = await end(bench, run)
    assert task.error and task.error.startswith("limit reached: repeats")
    assert [event.message for event in await bench.events("LIMIT_NEAR")] == ["repeats: 4 of 5"]
    assert counted(bench, "repeats") == 1
    await bench.api.extend_task(task.task_id, Limits(repeats=1), "once more")
    async with bench.again() as run:
        for _ in range(6):
            assert '"same"' in await run.tool("ping", a=1, b=[2])
        assert "repeats 6 of 6" in await run.tool("ping", a=1, b=[2])


async def test_errors_and_equal_answers_of_a_model_are_a_loop_and_polling_what_changes_is_none(
    bench: Bench, enqueue: Enqueue
) -> None:
    bench.most = Limits(repeats=2)
    bench.tools += [counter("poll", count())]
    await enqueue(3)
    async with bench.again() as run:
        for number in range(9):
            assert f'"answer": {number}' in await run.tool("poll")
        for _ in range(2):
            await run.tool("poll_", wrong=1)
        assert "repeats 2 of 2" in await run.tool("poll_", wrong=1)
    async with bench.again(0) as run:
        for _ in range(2):
            await ask(run, "The same?")
        assert "repeats 2 of 2" in await refused(run, "The same?")
    async with bench.again(0) as run:
        for _ in range(4):  # embeddings decide nothing
            async with run.model() as model:
                await model.embeddings.create(model="text-embedding-3-small", input=["the same"])


async def test_time_that_was_waited_for_ends_a_loop(bench: Bench, enqueue: Enqueue) -> None:
    bench.most, bench.inline_seconds = Limits(repeats=2), 60
    bench.tools += [counter("poll", iter(lambda: "pending", None))]
    await enqueue()
    async with bench.again() as run:
        for _ in range(3):
            for _ in range(2):
                assert "pending" in await run.tool("poll")
            assert "waited_until" in await run.tool("wait_until", time=0)
        assert run.work.limits.reached is None


async def test_calls_at_once_do_not_pass_a_limit_together(bench: Bench, enqueue: Enqueue) -> None:
    await enqueue(limits={"model_calls": 3})
    async with bench.again() as run:
        asked = await asyncio.gather(*[ask(run, str(n)) for n in range(8)], return_exceptions=True)
    assert sum(isinstance(answer, str) for answer in asked) == 3 == paid(bench)


async def test_time_in_pods_is_limited_over_all_runs_also_of_an_orchestrator_that_calls_nothing(
    bench: Bench, enqueue: Enqueue, set_clock: Any
) -> None:
    bench.grace_seconds = 0.0
    [task_id] = await enqueue(limits={"run_seconds": 100}, max_attempts=9)
    async with bench.again() as run:
        set_clock(98.5)
        key = {"tenant_id": "acme", "task_id": str(task_id), "fencing_token": run.task.fencing_token}
        await bench.kernel.next_task(task_id, [], 60, {**key, "outcome": "released"})
    async with bench.again(99) as run, asyncio.timeout(20):
        await run.work.ended.wait()
    assert bench.stopped == ["limit"]
    assert counted(bench, "run_seconds") == 1


async def test_an_orchestrator_that_goes_on_after_the_refusal_is_stopped_when_its_grace_is_over(
    bench: Bench, enqueue: Enqueue
) -> None:
    bench.grace_seconds = 0.05
    await enqueue(limits={"tool_calls": 1})
    async with bench.again() as run:
        await run.tool("report_progress", message="one")
        await run.tool("report_progress", message="two")
        async with asyncio.timeout(10):
            await run.work.ended.wait()
        assert bench.stopped == ["limit"]
        assert isinstance(_judged(run.work, Stopped("limit")), Failed)
        assert _judged(run.work, Stopped("cancelled")) == Stopped("cancelled")


async def test_money_is_not_limited_by_guesses_about_prices(bench: Bench, enqueue: Enqueue) -> None:
    await enqueue(limits={"cost_usd": 5})
    async with bench.again() as run:
        await refused(run)
        task = await end(bench, run)
    assert task.error == (
        f"limit reached: cost_usd cannot be held, as model {OFFLINE} has no price. Add it to FLEET_MODEL_PRICES."
    )
    assert paid(bench) == 0


async def test_a_budget_of_the_tenant_holds_for_all_its_pods(
    bench: Bench, enqueue: Enqueue, owner: psycopg.Connection
) -> None:
    budget = {"day": {"tokens": 100}, "month": {"tokens": 1_000_000}}
    owner.execute("select * from public.set_tenant_limits('acme', '{}', %s)", [Jsonb(budget)])
    await enqueue(2, limits={"tokens": 1_000_000})
    await enqueue(1, tenant="globex")
    async with bench.again(0) as first, bench.again(0) as second, bench.again(0) as third:
        [other] = [run for run in (first, second, third) if run.task.tenant_id == "globex"]
        one, two = [run for run in (first, second, third) if run is not other]
        await ask(one, "First?")
        await ask(two, "First?")
        while paid(bench) < 10 and one.work.limits.passed(False, "", False) is None:
            await ask(one, f"{paid(bench)}?")
        before = paid(bench)
        assert "budget used up: tokens" in await refused(one)
        late = await asyncio.gather(*[ask(two, f"late {n}?") for n in range(3)], return_exceptions=True)
        assert sum(isinstance(answer, str) for answer in late) <= 3
        assert "for the day, set by the tenant" in await refused(two), "at most the calls of one moment pass"
        assert paid(bench) - before <= 3
        await ask(other, "Another tenant?")
        task = await end(bench, one)
        assert task.error and "Raise it with fleet tenant-limits, or retry after 20" in task.error
        await end(bench, two)
    assert counted(bench, "budget_day_tokens") == 2
    assert [event.data["period"] for event in await bench.events("LIMIT_NEAR")] == ["day"]
    told = await bench.api.get_budget()
    spent = [call.input_tokens + call.output_tokens for call in await bench.calls()]
    assert told.spent["day"].tokens == told.spent["month"].tokens == sum(spent)
    await bench.api.retry_task(task.task_id)
    async with bench.again(86_400 / 3) as run:
        assert run.task.task_id == task.task_id
        await ask(run, "On the next day?")


async def test_what_cannot_be_extended_is_refused_by_name(bench: Bench, enqueue: Enqueue) -> None:
    [task_id] = await enqueue()
    with pytest.raises(InvalidInput, match="nothing to add"):
        await bench.api.extend_task(task_id, Limits(), "why not")
    with pytest.raises(InvalidInput, match="tokens is -1"):
        await bench.api.extend_task(task_id, Limits(tokens=-1), "less")
    async with bench.again() as run:
        key = {"tenant_id": "acme", "task_id": str(task_id), "fencing_token": run.task.fencing_token}
        await bench.kernel.next_task(task_id, [], 60, {**key, "outcome": "done", "output": {}})
    with pytest.raises(Conflict, match="is DONE"):
        await bench.api.extend_task(task_id, Limits(tokens=1), "late")
