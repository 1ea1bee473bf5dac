"""The journal grows with the conversation, not with its square."""

import random
import time
from typing import Any

import psycopg
import pytest

from agent_pod.calls.journal import Journal
from agent_pod.calls.prices import Prices
from agent_pod.metrics import PodMetrics
from agent_pod.run.current_task import Desk
from kernel.functions import Kernel

ROUNDS, CHARACTERS = 100, 4000  # each way: 800,000 characters are about 200,000 tokens
TABLES = ("journal", "journal_blob", "journal_list")
BYTES = "select sum(pg_total_relation_size(t))::bigint from unnest(%s::text[]::regclass[]) t"


@pytest.fixture
def journal(kernel_pod: Kernel) -> Journal:
    return Journal(kernel_pod, Prices({}), PodMetrics())


def conversation() -> list[dict[str, Any]]:
    """Texts that do not compress well: words of random letters."""
    chance = random.Random(7)
    text = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz     ", k=CHARACTERS)) for _ in range(2 * ROUNDS)]
    return [{"role": ("user", "assistant")[n % 2], "content": part} for n, part in enumerate(text)]


def request(messages: list[dict[str, Any]], rounds: int) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "f", "description": "d" * 2000, "parameters": {}}}
    return {"model": "m", "messages": messages[: 2 * rounds + 1], "tools": [tool]}


def answer(messages: list[dict[str, Any]], rounds: int) -> dict[str, Any]:
    said = {**messages[2 * rounds + 1], "refusal": None}
    return {"id": f"c{rounds}", "model": "m", "choices": [{"index": 0, "message": said}], "usage": {}}


async def test_a_hundred_calls_of_a_long_conversation_take_less_than_twice_its_bytes(
    start_pod: Any, enqueue: Any, journal: Journal, kernel_api: Kernel, owner: psycopg.Connection
) -> None:
    messages = conversation()
    pod = await start_pod()
    await enqueue()
    task = await pod.claim()
    empty = owner.execute(BYTES, [list(TABLES)]).fetchone()
    work = Desk().open(task)
    for rounds in range(ROUNDS):
        asked = await journal.ask(work, "chat", "m", request(messages, rounds), time.monotonic())
        await journal.model(asked, answer(messages, rounds), True, True)
    full = owner.execute(BYTES, [list(TABLES)]).fetchone()
    assert empty and full
    assert full[0] - empty[0] < 2 * sum(len(message["content"]) for message in messages)
    calls = await kernel_api.find_calls(task_id=task.task_id)
    assert [call.request for call in calls] == [request(messages, rounds) for rounds in range(ROUNDS)]
    assert [call.response for call in calls] == [answer(messages, rounds) for rounds in range(ROUNDS)]
    again = Desk().open(task)
    for rounds in range(ROUNDS):
        asked = await journal.ask(again, "chat", "m", request(messages, rounds), time.monotonic())
        assert await journal.replay(asked) == (answer(messages, rounds), True)
