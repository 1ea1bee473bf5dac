"""A run that follows the earlier one reads its answers from the journal in a few pages."""

import time
from collections import Counter
from typing import Any

import pytest

from agent_pod.calls.journal import Journal
from agent_pod.calls.prices import Prices
from agent_pod.metrics import PodMetrics
from agent_pod.run.current_task import Desk, Work
from kernel.functions import Kernel
from kernel.models import ClaimedTask

CALLS = 40


class Counting:
    """A transport that counts the functions that are called."""

    def __init__(self, transport: Any):
        self._transport = transport
        self.called: Counter[str] = Counter()

    async def call(self, function: str, claims: Any, **args: Any) -> Any:
        self.called[function] += 1
        return await self._transport.call(function, claims, **args)


@pytest.fixture
def counting(kernel_pod: Kernel) -> Counting:
    return Counting(kernel_pod.transport)


@pytest.fixture
def journal(counting: Counting) -> Journal:
    return Journal(Kernel(counting), Prices({}), PodMetrics())


async def record(journal: Journal, work: Work, number: int, answer: Any) -> None:
    asked = await journal.ask(work, "chat", "m", {"n": number}, time.monotonic())
    await journal.model(asked, answer, True, True)


async def replayed(journal: Journal, work: Work, number: int) -> Any:
    return (await journal.replay(await journal.ask(work, "chat", "m", {"n": number}, time.monotonic())))[0]


@pytest.fixture
async def task(start_pod: Any, enqueue: Any) -> ClaimedTask:
    pod = await start_pod()
    await enqueue()
    return await pod.claim()


async def test_forty_calls_in_order_take_five_reads(journal: Journal, counting: Counting, task: ClaimedTask) -> None:
    work = Desk().open(task)
    for number in range(CALLS):
        await record(journal, work, number, {"answer": number})
    again = Desk().open(task)
    assert [await replayed(journal, again, n) for n in range(CALLS)] == [{"answer": n} for n in range(CALLS)]
    assert counting.called["replay_calls"] == 5


async def test_calls_in_another_order_get_their_own_answers(
    journal: Journal, counting: Counting, task: ClaimedTask
) -> None:
    work = Desk().open(task)
    for number in range(CALLS):
        await record(journal, work, number, {"answer": number})
    for order in ([*range(CALLS)][::-1], [*range(1, CALLS, 2), *range(0, CALLS, 2)]):
        again = Desk().open(task)
        assert [await replayed(journal, again, n) for n in order] == [{"answer": n} for n in order]
    assert counting.called["replay_calls"] <= 2 * CALLS


async def test_a_page_of_long_answers_stays_below_a_megabyte(
    journal: Journal, kernel_pod: Kernel, task: ClaimedTask
) -> None:
    work = Desk().open(task)
    for number, length in enumerate((1_200_000, 400_000, 400_000, 400_000)):
        await record(journal, work, number, {"answer": "x" * length})
    ids = [call.call_id for call in await kernel_pod.journalled_calls(task)]
    assert [*await kernel_pod.replay_calls(task, ids)] == ids[:1]
    assert [*await kernel_pod.replay_calls(task, ids[1:])] == ids[1:3]
    assert await kernel_pod.replay_calls(task, [0]) == {}
