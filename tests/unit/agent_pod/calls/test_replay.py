"""A run that is cut off anywhere is repeated from the journal: the same answers, and nothing is paid or done twice."""

import asyncio
from typing import Any

import openai
import pytest
from replay_bench import Bench, Boundary, Killed, Run

from agent_pod.tool_door.tools import IDEMPOTENCY_KEY, Tool
from kernel.functions import Kernel

KEY = "The key to the archive is under the mat by the door."
FIND: Any = {
    "type": "function",
    "function": {
        "name": "search_documents",
        "description": "Search the knowledge base",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    },
}


@pytest.fixture
async def bench(bench: Bench, enqueue: Any) -> Bench:
    await enqueue(max_attempts=100)
    return bench


def asks(text: str) -> Any:
    return [{"role": "user", "content": f"{text} {KEY}"}]


async def agent(run: Run, boundary: Boundary) -> list[Any]:
    """Every kind of call, one after the other, and two equal ones at once."""
    async with run.model() as model:
        plain = await model.chat.completions.create(model="m", messages=asks("Where is the key?"))
        boundary.passes(plain.model_dump())
        boundary.passes(await streamed_chat(model, messages=asks("Where, again?")))
        boundary.passes(
            await streamed_chat(model, messages=[{"role": "user", "content": "Find the key."}], tools=[FIND])
        )
        async with model.responses.stream(model="m", input=asks("Tell of the key.")) as stream:
            events = [event.type async for event in stream]
            response = await stream.get_final_response()
        assert events[0] == "response.created" and events[-1] == "response.completed"
        boundary.passes(response.model_dump())
        boundary.passes((await model.responses.create(model="m", input="Where is it?" + KEY)).model_dump())
        boundary.passes((await model.embeddings.create(model="text-embedding-3-small", input=["key"])).model_dump())
        saved = boundary.passes(await run.tool("save_document", title="Keys", content=KEY))
        found = boundary.passes(await run.tool("search_documents", query="key archive"))
        boundary.passes(await run.tool("read_document", document_id="nowhere"))
        boundary.passes(await streamed_chat(model, messages=asks(saved + found)))
        twice = [model.chat.completions.create(model="m", messages=asks("Twice?")) for _ in range(2)]
        boundary.passes(sorted(answer.id for answer in await asyncio.gather(*twice)))
        last = await model.chat.completions.create(model="m", messages=asks("Twice?"))
        boundary.passes(last.id)
    return boundary.answers


async def streamed_chat(model: openai.AsyncOpenAI, **request: Any) -> Any:
    """The answer as the client's own accumulator puts it together from the chunks."""
    options: Any = {"include_usage": True}
    async with model.chat.completions.stream(model="m", stream_options=options, **request) as stream:
        async for _ in stream:
            pass
        return (await stream.get_final_completion()).model_dump()


async def test_a_run_killed_at_every_call_in_turn_gives_the_same_answers_and_pays_each_call_once(bench: Bench) -> None:
    answers: list[Any] = []
    boundary = 0
    while True:
        boundary += 1
        counted = Boundary(last=boundary)
        async with bench.again() as run:
            try:
                await agent(run, counted)
                break
            except Killed:
                assert counted.answers[: len(answers)] == answers
                answers = counted.answers
    assert boundary == 13 and counted.answers[:12] == answers
    twice = b"Twice?"
    assert {asked: n for asked, n in bench.upstream.asked.items() if n != 1 and twice not in asked} == {}
    assert sum(n for asked, n in bench.upstream.asked.items() if twice in asked) == 3
    calls = await bench.calls()
    assert len(calls) == 13 and sum(call.kind == "tool" for call in calls) == 3
    assert len(await bench.api.find_documents()) == 1
    assert await bench.events("CALL_DIVERGED") == []
    replayed = sum(sample.value for metric in bench.metrics.replayed_calls.collect() for sample in metric.samples)
    assert replayed > 70


async def test_an_answer_that_was_streamed_is_replayed_plain_and_the_other_way_round(bench: Bench) -> None:
    async with bench.again() as run, run.model() as model:
        streamed = await streamed_chat(model, messages=asks("Streamed?"))
        plain = (await model.chat.completions.create(model="m", messages=asks("Plain?"))).model_dump()
    async with bench.again() as run, run.model() as model:
        again = (await model.chat.completions.create(model="m", messages=asks("Streamed?"))).model_dump()
        assert again["choices"][0]["message"]["content"] == streamed["choices"][0]["message"]["content"]
        assert (await streamed_chat(model, messages=asks("Plain?")))["usage"] == plain["usage"]
    assert set(bench.upstream.asked.values()) == {1}


async def test_a_replayed_stream_has_usage_only_where_it_was_asked_for(bench: Bench) -> None:
    for _ in range(2):
        async with bench.again() as run, run.model() as model:
            chunks = [c async for c in await model.chat.completions.create(model="m", messages=asks("?"), stream=True)]
            assert all(chunk.choices for chunk in chunks)
    assert len(await bench.calls()) == 1


async def test_a_failed_call_is_asked_again(bench: Bench) -> None:
    for _ in range(2):
        async with bench.again() as run, run.model() as model:
            with pytest.raises(openai.BadRequestError):
                await model.chat.completions.create(model="m", messages=[])
    assert [call.outcome for call in await bench.calls()] == ["error", "error"]
    assert await bench.events("CALL_DIVERGED") == []


async def test_a_run_that_asks_something_else_goes_live_and_an_event_says_so_once(bench: Bench) -> None:
    async with bench.again() as run, run.model() as model:
        for text in ("One?", "Two?", "Three?"):
            await model.chat.completions.create(model="m", messages=asks(text))
    async with bench.again() as run, run.model() as model:
        for text in ("One?", "Else?", "Other?", "Three?"):
            await model.chat.completions.create(model="m", messages=asks(text))
    [event] = await bench.events("CALL_DIVERGED")
    assert event.data == {"attempt": 2, "kind": "chat", "unreplayed": 2} and event.message
    assert len(await bench.calls()) == 5, "what is asked in the same words is still replayed"


async def test_the_pods_address_token_and_folder_make_no_difference(bench: Bench) -> None:
    async def ask(run: Run, home: str) -> tuple[str, list[str]]:
        run.work.aliases.add(home, "home")
        address = run.url.removeprefix("http://")
        own = [address, address.replace(".", "_").replace(":", "_"), run.work.token, home]
        async with run.model() as model:
            said: Any = [{"role": "user", "content": f"Where is the key? The key is in {' and '.join(own)} today."}]
            answer = await model.chat.completions.create(model="m", messages=said)
        return str(answer.choices[0].message.content), own

    async with bench.again() as run:
        await ask(run, "/tmp/fleet-run-one")
    async with bench.again() as run:
        content, own = await ask(run, "/tmp/fleet-run-two")
    assert all(word in content for word in own), "the replayed answer speaks of this run"
    [call] = await bench.calls()
    written = str(call.request) + str(call.response)
    assert all(word not in written for word in own) and "⟪pod_⟫" in written


async def test_what_an_orchestrator_declares_to_vary_makes_no_difference(bench: Bench) -> None:
    async def ask(names: list[str]) -> list[str]:
        async with bench.again() as run, run.model() as model:
            run.work.aliases.add_pattern("file-[a-z0-9]{4}")
            answers: list[str] = []
            for name in names:
                said: Any = [{"role": "user", "content": f"Where is the key? The key is in {name} and {names[0]}."}]
                answer = await model.chat.completions.create(model="m", messages=said)
                answers.append(str(answer.choices[0].message.content))
        return answers

    await ask(["file-aaaa", "file-bbbb"])
    again = await ask(["file-cccc", "file-dddd"])
    assert "file-cccc" in again[0] and "file-dddd" in again[1], "the replayed answer has the names of this run"
    assert set(bench.upstream.asked.values()) == {1} and len(await bench.calls()) == 2
    await ask(["file-eeee", "file-eeee"])
    assert len(await bench.calls()) == 3, "two names are not one"


async def test_a_tool_that_may_have_run_is_run_again_with_the_same_key(bench: Bench) -> None:
    keys: list[str] = []
    running = asyncio.Event()

    async def slow(_task: Any, _arguments: Any, meta: Any) -> Any:
        keys.append(meta[IDEMPOTENCY_KEY])
        running.set()
        if len(keys) == 1:
            await asyncio.sleep(3600)
        return {"n": len(keys)}

    bench.tools.append(Tool("slow", "", {"type": "object"}, False, slow, keyed=True))
    async with bench.again() as run:
        call = asyncio.create_task(run.tool("slow", n=1))
        await running.wait()
        assert [c.outcome for c in await bench.calls()] == ["started"]
        async with bench.again() as other:
            assert await other.tool("slow", n=1) == '{"n": 2}'
            assert await other.tool("slow", n=1) == '{"n": 3}'
        call.cancel()
    assert keys[0] == keys[1] != keys[2]
    assert [(c.outcome, c.attempt) for c in await bench.calls()] == [("ok", 2), ("ok", 2)]


async def test_a_document_saved_twice_with_one_key_is_there_once(
    start_pod: Any, enqueue: Any, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    [task_id] = await enqueue()
    task = await pod.claim()
    first = await pod.kernel.save_task_document(task, "T", "text", [], "m", [], task_id)
    again = await pod.kernel.save_task_document(task, "T", "text", [], "m", [], task_id)
    assert first == again
    assert [document.doc_id for document in await kernel_api.find_documents()] == [first]


async def test_an_attempt_that_was_told_an_error_of_a_tool_again_does_not_pay_for_the_model_again(bench: Bench) -> None:
    for replayed in (False, True):
        async with bench.again() as run, run.model() as model:
            await model.chat.completions.create(model="m", messages=asks("?"))
            assert not replayed or run.work.calls.followed_to_the_letter
            assert "no document" in await run.tool("read_document", document_id="nowhere")
            assert not run.work.calls.followed_to_the_letter, "the next attempt asks the tool again"


async def test_after_a_failure_the_model_is_asked_afresh_where_its_answers_led_there(bench: Bench) -> None:
    async with bench.again() as run, run.model() as model:
        await model.chat.completions.create(model="m", messages=asks("?"))
        await run.tool("report_progress", message="half")
        done = {"tenant_id": "acme", "task_id": str(run.task.task_id), "fencing_token": run.task.fencing_token}
        await bench.kernel.next_task(
            run.task.task_id, [], 60, {**done, "outcome": "failed", "reason": "no", "retryable": True, "afresh": True}
        )
    async with bench.again() as run, run.model() as model:
        await model.chat.completions.create(model="m", messages=asks("?"))
        await run.tool("report_progress", message="half")
        assert not run.work.calls.followed_to_the_letter
    assert sum(bench.upstream.asked.values()) == 2
    assert len(await bench.events("TASK_PROGRESS")) == 1
