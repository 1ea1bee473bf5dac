"""A database that goes away in the middle of a run: what was paid for or done is told when it is back, once."""

import asyncio
from typing import Any

import openai
import pytest
from replay_bench import Bench

from kernel.errors import DatabaseUnavailable
from kernel.functions import Kernel
from kernel.postgres import Transport

BEFORE, AFTER = "before", "after"  # the call never came, or was committed and its answer lost


class Unreliable:
    """A transport that fails the next calls of `function` as `fails` says."""

    def __init__(self, transport: Transport, function: str, fails: list[str]):
        self._transport = transport
        self.function = function
        self.fails = fails

    async def call(self, function: str, claims: Any, **args: Any) -> list[Any]:
        fails = self.fails.pop(0) if function == self.function and self.fails else None
        if fails == BEFORE:
            raise DatabaseUnavailable("it is away")
        rows = await self._transport.call(function, claims, **args)
        if fails == AFTER:
            raise DatabaseUnavailable("the connection broke")
        return rows


@pytest.fixture
async def bench(bench: Bench, enqueue: Any) -> Bench:
    await enqueue(max_attempts=100)
    return bench


def breaks(bench: Bench, function: str, *fails: str) -> Unreliable:
    transport = Unreliable(bench.kernel.transport, function, list(fails))
    bench.kernel = Kernel(transport)
    return transport


async def chat(run: Any, **more: Any) -> Any:
    async with run.model() as model:
        asked = [{"role": "user", "content": "Where?"}]
        answer = await model.chat.completions.create(model="m", messages=asked, **more)
        return [chunk async for chunk in answer] if more.get("stream") else answer


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fails", [(BEFORE, BEFORE), (AFTER,)])
async def test_an_answer_that_was_paid_for_waits_for_the_database(
    bench: Bench, fails: tuple[str, ...], stream: bool
) -> None:
    transport = breaks(bench, "journal_call", *fails)
    for _ in range(2):
        async with bench.again() as run:
            assert await chat(run, stream=stream)
    assert transport.fails == []
    assert set(bench.upstream.asked.values()) == {1} and len(await bench.calls()) == 1


@pytest.mark.parametrize("function", ["journalled_calls", "journal_call", "save_task_document", "replay_calls"])
async def test_a_tool_is_done_once_whatever_call_of_it_the_outage_meets(bench: Bench, function: str) -> None:
    transport = breaks(bench, function, AFTER, BEFORE)
    for _ in range(2):
        async with bench.again() as run:
            assert '"title": "Keys"' in await run.tool("save_document", title="Keys", content="Under the mat.")
    assert transport.fails == []
    assert len(await bench.api.find_documents()) == 1 and len(await bench.calls()) == 1


@pytest.mark.parametrize("function", ["ask_question", "await_answer"])
async def test_a_question_is_asked_once(bench: Bench, function: str) -> None:
    breaks(bench, function, AFTER, BEFORE)
    async with bench.again() as run:
        assert "the task waits" in await run.tool("ask_person", question="May I?")
    [asked] = await bench.api.find_questions()
    await bench.api.answer_question(asked.question_id, "Yes")
    async with bench.again() as run:
        assert '"answer": "Yes"' in await run.tool("ask_person", question="May I?")


async def test_a_run_that_is_over_waits_no_longer(bench: Bench) -> None:
    breaks(bench, "journal_call", *[BEFORE] * 1000)
    async with bench.again() as run:
        asking = asyncio.create_task(chat(run))
        while not bench.upstream.asked:  # noqa: ASYNC110  # the model is asked in another task
            await asyncio.sleep(0)
        run.work.stop("lost")
        with pytest.raises(openai.InternalServerError, match="the database is away"):
            await asking


async def test_an_attempt_that_ends_in_the_middle_of_a_new_call_was_not_led_there_by_the_journal(bench: Bench) -> None:
    async with bench.again() as run:
        await chat(run)
    async with bench.again() as run:
        await chat(run)
        assert run.work.calls.followed_to_the_letter
        bench.upstream.hold = True
        asking = asyncio.create_task(chat(run, temperature=1))
        async with asyncio.timeout(10):
            while run.work.calls.running == 0:  # noqa: ASYNC110  # the call comes in another task
                await asyncio.sleep(0.01)
        assert not run.work.calls.followed_to_the_letter, "the next attempt would pay for all of it again"
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
