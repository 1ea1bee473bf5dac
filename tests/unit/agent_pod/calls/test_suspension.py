"""A task that waits has no pod; what it waits for brings it back to the very call that asked."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from replay_bench import Bench, Run

from agent_pod.tool_door.tools import Tool
from kernel.errors import Conflict, Forbidden, LeaseLost
from kernel.journal_models import Question


@pytest.fixture
async def bench(bench: Bench, enqueue: Any) -> Bench:
    await enqueue(max_attempts=3)
    return bench


async def suspended(run: Run, name: str, **arguments: Any) -> None:
    """Call a tool whose answer is not there: the run ends, and the call with it."""
    assert "the task waits" in await run.tool(name, **arguments)
    assert run.work.ended.is_set()


async def status(bench: Bench) -> str:
    [task] = await bench.api.find_tasks()
    return task.status.value


async def question(bench: Bench) -> Question:
    [found] = await bench.api.find_questions()
    return found


async def test_a_task_that_asks_leaves_its_pod_and_comes_back_to_the_call_with_the_answer(bench: Bench) -> None:
    async with bench.again() as run:
        await run.tool("report_progress", message="before")
        await suspended(run, "ask_person", question="May I?", assignee="ann@acme.test")
        with pytest.raises(LeaseLost):
            await bench.kernel.report_progress(run.task, "late")
    assert await status(bench) == "WAITING"
    pod = await bench.start_pod(name="other")
    assert await pod.next() is None
    asked = await question(bench)
    assert (asked.question, asked.assignee, asked.status) == ("May I?", "ann@acme.test", "open")
    answered = await bench.api.answer_question(asked.question_id, "Yes, do")
    assert (answered.status, answered.answer, answered.answered_by) == ("answered", "Yes, do", "user:ann@acme.test")
    assert await status(bench) == "PENDING" and await bench.api.find_questions() == []
    async with bench.again() as run:
        assert run.task.attempt == 1, "waiting is no attempt"
        await run.tool("report_progress", message="before")
        said = await run.tool("ask_person", question="May I?", assignee="ann@acme.test")
        assert '"answer": "Yes, do"' in said and '"answered": true' in said
    for kind in ("TASK_SUSPENDED", "TASK_RESUMED", "QUESTION_ASKED", "QUESTION_ANSWERED", "TASK_PROGRESS"):
        assert len(await bench.events(kind)) == 1, kind


async def test_a_quick_answer_is_taken_where_the_task_runs(bench: Bench) -> None:
    bench.inline_seconds = 60
    async with bench.again() as run:
        asking = asyncio.create_task(run.tool("ask_person", question="Quick?"))
        async with asyncio.timeout(10):
            while not (found := await bench.api.find_questions()):
                pass
        assert found == [await question(bench)]
        await bench.api.answer_question((await question(bench)).question_id, {"n": 1})
        assert '"answer": {"n": 1}' in await asking
        assert not run.work.ended.is_set()
    assert await bench.events("TASK_SUSPENDED") == []


async def test_an_answer_comes_once_and_from_whom_it_is_asked(bench: Bench) -> None:
    async with bench.again() as run:
        await suspended(run, "ask_person", question="May I?", assignee="bob@acme.test")
    asked = await question(bench)
    worker = {"tenant_id": "acme", "actor": "user:eve@acme.test", "person": "eve@acme.test", "scopes": ["work"]}
    with pytest.raises(Forbidden):
        await bench.api.as_caller(worker).answer_question(asked.question_id, "no")
    assert await bench.api.as_caller(worker).find_questions(mine=True) == []
    bob = bench.api.as_caller({**worker, "actor": "user:bob@acme.test", "person": "bob@acme.test"})
    assert [q.question_id for q in await bob.find_questions(mine=True)] == [asked.question_id]
    await bob.answer_question(asked.question_id, "yes")
    with pytest.raises(Conflict):
        await bob.answer_question(asked.question_id, "no")
    [notice] = [
        n for n in await bench.api.as_tenant("acme", "kernel").find_events() if n.event_type == "QUESTION_ASKED"
    ]
    assert notice.message == "May I?"


@pytest.mark.parametrize(("unanswered", "said"), [("answer", '"answered": false'), ("fail", "nobody answered by")])
async def test_a_deadline_answers_for_nobody_and_the_answer_after_it_is_refused(
    bench: Bench, unanswered: str, said: str
) -> None:
    ask = {"question": "May I?", "deadline": 600, "if_unanswered": unanswered}
    async with bench.again() as run:
        await suspended(run, "ask_person", **ask)
    asked = await question(bench)
    bench.set_clock(601)
    with pytest.raises(Conflict):
        await bench.api.answer_question(asked.question_id, "too late")
    async with bench.again() as run:
        assert said in await run.tool("ask_person", **ask)
    with pytest.raises(Conflict):
        await bench.api.answer_question(asked.question_id, "too late")


async def test_a_time_is_waited_for_without_a_pod(bench: Bench) -> None:
    async with bench.again() as run:
        assert "waited_until" in await run.tool("wait_until", time=0)
        await suspended(run, "wait_until", time=600)
    pod = await bench.start_pod(name="other")
    bench.set_clock(590)
    assert await pod.next() is None and await bench.api.find_questions() == []
    async with bench.again() as run:
        await run.tool("wait_until", time=0)
        assert "waited_until" in await run.tool("wait_until", time=600)


async def test_two_questions_at_once_are_both_put_and_either_answer_brings_the_task_back(bench: Bench) -> None:
    bench.inline_seconds = 0.5
    async with bench.again() as run:
        await asyncio.gather(*(suspended(run, "ask_person", question=text) for text in ("One?", "Two?")))
    one, two = await bench.api.find_questions()
    await bench.api.answer_question(one.question_id, 1)
    async with bench.again() as run:
        assert '"answer": 1' in await run.tool("ask_person", question=one.question)
        await suspended(run, "ask_person", question=two.question)
    assert [q.question_id for q in await bench.api.find_questions()] == [two.question_id]
    await bench.api.answer_question(two.question_id, 2)
    async with bench.again() as run:
        assert '"answer": 2' in await run.tool("ask_person", question=two.question)


@pytest.mark.parametrize(
    ("decision", "runs", "said"),
    [({"decision": "run_again"}, 2, '{"sent": 2}'), ({"decision": "skip", "result": {"sent": 9}}, 1, '{"sent": 9}')],
)
async def test_a_tool_that_may_have_run_and_must_not_run_twice_is_a_question(
    bench: Bench, decision: Any, runs: int, said: str
) -> None:
    done = await dies_while_it_sends(bench)
    async with bench.again() as run:
        await suspended(run, "send", to="Bob")
    asked = await question(bench)
    assert asked.kind == "unknown_outcome" and 'send was started with {"to": "Bob"}' in asked.question
    await bench.api.answer_question(asked.question_id, decision)
    async with bench.again() as run:
        assert await run.tool("send", to="Bob") == said
    assert len(done) == runs


async def test_a_person_may_decide_that_such_a_task_fails(bench: Bench) -> None:
    await dies_while_it_sends(bench)
    async with bench.again() as run:
        await suspended(run, "send", to="Bob")
    await bench.api.answer_question((await question(bench)).question_id, {"decision": "fail"})
    assert await status(bench) == "FAILED"


async def dies_while_it_sends(bench: Bench) -> list[int]:
    """A run whose pod dies within a tool that is neither idempotent nor keyed; returns what the tool did."""
    done: list[int] = []
    sending = asyncio.Event()

    async def send(_task: Any, _arguments: Any, _meta: Any) -> Any:
        done.append(1)
        if len(done) == 1:
            sending.set()
            await asyncio.Event().wait()
        return {"sent": len(done)}

    bench.tools.append(Tool("send", "", {"type": "object"}, False, send))
    async with bench.again() as run:
        dying = asyncio.create_task(run.tool("send", to="Bob"))
        await sending.wait()
        dying.cancel()
    return done


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"question": ""}, "should be non-empty"),
        ({"question": "x", "deadline": "tomorrow"}, "deadline: 'tomorrow' is not a time"),
        ({"question": "x", "deadline": -1}, "is not between 0 and ten years"),
        ({"question": "x", "form": {"type": "nonsense"}}, "form: it is no JSON Schema"),
    ],
)
async def test_a_question_that_cannot_be_put_is_told_to_the_model(bench: Bench, arguments: Any, complaint: str) -> None:
    async with bench.again() as run:
        assert complaint in await run.tool("ask_person", **arguments)


async def test_questions_of_other_tenants_are_not_there(bench: Bench) -> None:
    async with bench.again() as run:
        await suspended(run, "ask_person", question="May I?")
    asked: UUID = (await question(bench)).question_id
    other = bench.api.as_tenant("globex", "user:eve@globex.test")
    assert await other.find_questions() == [] and await other.get_question(asked) is None
