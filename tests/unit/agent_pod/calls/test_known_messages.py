"""A message that an earlier request of the run had is not worked through again, and nothing else changes by that."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from agent_pod.calls.journal import Journal
from agent_pod.calls.prices import Prices
from agent_pod.metrics import PodMetrics
from agent_pod.run.current_task import Desk, Work
from kernel.functions import Kernel
from kernel.models import Json
from kernel.packing import Packed, Packer

KEYS_OF_THE_COMMIT_BEFORE = [
    "1d897b69e0fd9da72dff2ab984c64fc67e2ab27519739cbaad331dfa9ea63de2",
    "b970ecdbceaaeab966b3ecdb98ca083d7ee204f812547dc1c216c19309310f35",
    "6c7e1f533b0dd30cab4f6c053e337f9f9ac7fdca6f956f209f4a0d16cd94cd96",
    "48e115e10a5c73c8f9b6c4d1c8fc72ff85cd91c79c592886398ed650a9dfebe4",
    "37e324fc98286e137c57465d13238cfc8297293fed598f656f886dfe1f13eef4",
    "d17011e6e50808b65e0bb538f69dc3a22922d685c54b15ae89e935e58a9774a4",
    "2f4c7aca8bce5312cd8bf54609088e5f1c19e77f231af38bf2a1f3f94ba9afc1",
    "86be55923ff712d4881a076e00dee16486ebf01adf123ddb20fe116aae67f965",
    "63cd54f326246b8cebe4126c07e0f21f3b8d713475c43b41287340dcb10eb9a0",
]
SAID: list[Json] = [
    {"role": "system", "content": "You work at http://127.0.0.1:8123/mcp. " + "Be brief. " * 40},
    {"role": "user", "content": "Read file-ab12 and file-cd34, 1.0 of them\0 twice: " + "word " * 80},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "In file-ef56: file-ab12. " + "Überraschung ⟪pod⟫ " * 30},
    {"role": "user", "content": [{"type": "text", "text": "And? " * 100}, {"type": "n", "n": [1, 1.0, True, None]}]},
    {"content": "And? run-7 of xfile-ab123", "role": "user"},
]
TOOLS = [{"type": "function", "function": {"name": "mcp_127_0_0_1_8123_f", "description": "d" * 300}}]


def requests() -> list[Json]:
    """A conversation that grows, one that is cut at its head, a list of texts, and plain arguments."""
    chats = [{"model": "m", "messages": SAID[:n], "tools": TOOLS, "temperature": 0.5} for n in range(1, len(SAID) + 1)]
    shorter = {"model": "m", "stream": True, "messages": [SAID[0], *SAID[3:]]}
    return [*chats, shorter, {"input": ["a", "b", SAID[0]["content"]]}, {"query": "file-cd34", "input": "run-7"}]


def packed_by(packer: Packer) -> Callable[[Json], Packed]:
    return lambda request: packer.pack_request(request, lambda part: part, 0)


@pytest.fixture
async def work(start_pod: Any, enqueue: Any) -> Work:
    pod = await start_pod()
    await enqueue()
    work = Desk().open(await pod.claim())
    work.aliases.add_address("127.0.0.1", 8123, "pod")
    work.aliases.add_pattern("run-[0-9]")
    work.aliases.add_pattern("file-[a-z0-9]{4}")
    return work


async def test_calls_have_the_keys_that_the_commit_before_gave_them(work: Work, kernel_pod: Kernel) -> None:
    journal = Journal(kernel_pod, Prices({}), PodMetrics())
    asked = [await journal.ask(work, "chat", "m", request, time.monotonic()) for request in requests()]
    assert [a.key for a in asked] == KEYS_OF_THE_COMMIT_BEFORE


async def test_a_name_that_comes_later_is_put_into_messages_that_were_known_before_it(
    work: Work, kernel_pod: Kernel
) -> None:
    journal = Journal(kernel_pod, Prices({}), PodMetrics())
    said = {"messages": [{"role": "user", "content": "In /tmp/fleet-run-one is a file."}]}
    before = await journal.ask(work, "chat", "m", said, time.monotonic())
    work.aliases.add("/tmp/fleet-run-one", "home")
    after = await journal.ask(work, "chat", "m", said, time.monotonic())
    assert before.key != after.key and "⟪home⟫" in str(after.request.blobs)


def test_each_message_of_a_growing_conversation_is_cleaned_once() -> None:
    packer, cleaned = Packer(), list[Any]()

    def clean(part: Any) -> Any:
        cleaned.append(part)
        return part

    messages = [{"role": "user", "content": f"{n} " * 200} for n in range(50)]
    for n in range(50):
        packer.pack_request({"messages": messages[: n + 1], "tools": TOOLS}, clean, 0)
    assert [part for part in cleaned if part == TOOLS or part in messages] == [messages[0], TOOLS, *messages[1:]]


def test_a_known_message_is_given_again_until_it_is_stored() -> None:
    packer = Packer()
    pack = packed_by(packer)
    first, again = pack({"messages": SAID}), pack({"messages": SAID})
    assert first == again and again.blobs and again.lists
    packer.remember(first)
    stored = pack({"messages": SAID})
    assert stored.skeleton == first.skeleton and not stored.blobs and not stored.lists


def test_numbers_and_truth_that_python_takes_for_equal_are_not_the_same_message() -> None:
    pack = packed_by(Packer())
    lists = [pack({"input": [value]}).parts for value in (1, 1.0, True)]
    assert [lists.count(parts) for parts in lists] == [1, 1, 1]


def test_a_message_that_is_nested_too_deep_is_refused() -> None:
    deep: Any = []
    for _ in range(3000):
        deep = [deep]
    with pytest.raises(RecursionError):
        packed_by(Packer())({"messages": [deep]})
