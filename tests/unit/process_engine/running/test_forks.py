"""Instances are forked from what they were, exactly, or not at all; and tokens are moved in the database."""

import asyncio
from typing import Any
from uuid import UUID

import psycopg
import pytest
from bpmn_writing import extensions, many, scope
from engine_in_database import SetClock, Start, instance_of, open_tasks, submit, unique
from event_writing import boundary, mapped, message, timer

from kernel.errors import Conflict, LeaseLost, NotFound
from kernel.functions import Kernel
from kernel.models import ProcessStatus, Task
from process_engine.committing import advance, repair
from process_engine.committing.arrivals import work_off_arrivals
from process_engine.committing.deployment import deploy
from process_engine.values.errors import RepairRefused

LINE = scope("startEvent s, userTask a b c, endEvent e", "s -> a -> b -> c -> e")
MIXED = scope(
    "startEvent s, userTask a b c d, parallelGateway g j, intermediateCatchEvent m, endEvent e",
    "s -> a -> g, g -> b -> j, g -> m -> c -> j -> d -> e",
    {"m": message(), "b": many(inside="<bpmn:loopCardinality>2</bpmn:loopCardinality>", sequential=True)},
)


async def task_of(kernel: Kernel, instance: UUID, activity: str) -> Task:
    return next(t for t in await kernel.find_tasks(instance) if t.activity_id == activity)


async def fork(kernel: Kernel, instance: UUID, **how: Any) -> UUID:
    return (await repair.fork(kernel, instance, "it went astray", **how)).proc_inst_id


async def test_a_fork_stands_where_the_instance_stood_before_a_task_with_the_variables_of_then(
    kernel_api: Kernel, start: Start
) -> None:
    instance = await start(unique(LINE), n=1)
    await submit(kernel_api, instance, "a", n=2)
    await submit(kernel_api, instance, "b", n=3)
    await submit(kernel_api, instance, "c", n=4)
    before = await instance_of(kernel_api, instance)
    forked = await fork(kernel_api, instance, task_id=(await task_of(kernel_api, instance, "b")).task_id)
    standing = await instance_of(kernel_api, forked)
    assert (standing.status, standing.variables, standing.initiator) == (
        ProcessStatus.RUNNING,
        {"n": 2},
        "ann@acme.test",
    )
    assert (standing.forked_from, standing.forked_step) == (instance, 3)
    assert await open_tasks(kernel_api, forked) == ["b"]
    assert await instance_of(kernel_api, instance) == before, "the original stays as it is"
    await submit(kernel_api, forked, "b", n=30)
    await submit(kernel_api, forked, "c")
    assert (await instance_of(kernel_api, forked)).status == ProcessStatus.COMPLETED
    for place in (instance, forked):
        [event] = await kernel_api.find_events(place, event_type="INSTANCE_FORKED")
        assert (event.actor, event.message) == ("user:ann@acme.test", "it went astray")
        assert event.data == {"from": str(instance), "step": 3, "to": str(forked), "version": 1}


async def test_the_steps_of_an_instance_are_listed_in_their_order(kernel_api: Kernel, start: Start) -> None:
    instance = await start(unique(MIXED), order="1")
    await submit(kernel_api, instance, "a")
    await kernel_api.publish_message("paid", "1", {"sum": 5}, 60, "bob")
    await work_off_arrivals(kernel_api)
    await submit(kernel_api, instance, "b", x=1)
    await repair.move(kernel_api, instance, "c", "c", {"y": 1}, "once more")
    made = await kernel_api.find_steps(instance)
    assert [(s.revision, s.kind, s.activity_id) for s in made] == [
        (1, "start", None), (2, "task", "a"), (3, "event", "m"), (4, "task", "b"), (5, "move", "c")
    ]  # fmt: skip
    assert [s.actor for s in made] == ["user:ann@acme.test"] * 2 + ["kernel"] + ["user:ann@acme.test"] * 2
    assert all(s.at and s.given is None and s.output is None for s in made)


async def test_every_moment_of_an_instance_with_events_repetitions_moves_and_changes_can_be_forked(
    kernel_api: Kernel, start: Start, owner: psycopg.Connection
) -> None:
    instance = await start(unique(MIXED), order="1")
    states = [(await instance_of(kernel_api, instance))]

    async def note() -> None:
        states.append(await instance_of(kernel_api, instance))

    await submit(kernel_api, instance, "a", big=1e16, small=0.5)
    await note()
    await kernel_api.publish_message("paid", "1", {"sum": 5}, 60, "bob")
    await work_off_arrivals(kernel_api)
    await note()
    await submit(kernel_api, instance, "b", x=1)
    await note()
    await repair.move(kernel_api, instance, "c", "c", {"y": 1}, "once more")
    await note()
    await kernel_api.cancel_task((await task_of(kernel_api, instance, "c")).task_id, "no")
    await repair.retry(kernel_api, (await task_of(kernel_api, instance, "c")).task_id, "yes", {"z": 1}, False)
    await note()
    await submit(kernel_api, instance, "c")
    await note()
    assert [then.revision for then in states] == list(range(1, 8))
    for then in states:
        forked = await instance_of(kernel_api, await fork(kernel_api, instance, step_number=then.revision + 1))
        assert (forked.state, forked.variables) == (then.state, then.variables)
        again = await instance_of(kernel_api, await fork(kernel_api, forked.id, step_number=2))
        assert again.state == then.state, "a fork can be forked"


async def test_a_fork_can_begin_with_other_variables_and_waits_for_its_events_anew(
    kernel_api: Kernel, start: Start, set_clock: SetClock
) -> None:
    model = scope("startEvent s, userTask a late, endEvent e", "s -> a -> e, t -> late -> e")
    instance = await start(unique(model, boundary("t", "a", timer())), n=1)
    set_clock(200)
    task = await task_of(kernel_api, instance, "a")
    forked = await fork(kernel_api, instance, task_id=task.task_id, variables={"n": 5})
    assert (await instance_of(kernel_api, forked)).variables == {"n": 5}
    set_clock(301)
    assert await work_off_arrivals(kernel_api) == 1
    assert (await open_tasks(kernel_api, instance), await open_tasks(kernel_api, forked)) == (["late"], ["a"])
    set_clock(501)
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, forked) == ["late"]


async def test_an_instance_that_was_cancelled_can_be_forked_from_its_last_moment(
    kernel_api: Kernel, start: Start
) -> None:
    instance = await start(unique(LINE))
    await submit(kernel_api, instance, "a")
    await kernel_api.cancel_instance(instance, "by mistake")
    forked = await fork(kernel_api, instance, task_id=(await task_of(kernel_api, instance, "b")).task_id)
    assert await open_tasks(kernel_api, forked) == ["b"]


async def test_the_forked_task_starts_without_a_journal(kernel_api: Kernel, start: Start, start_pod: Any) -> None:
    pod = await start_pod()
    work = extensions('<zeebe:taskDefinition type="echo"/>')
    instance = await start(unique(scope("startEvent s, serviceTask w, endEvent e", "s -> w -> e", {"w": work})))
    task = await pod.claim()
    call = {"kind": "chat", "name": "gpt", "request": {"body": {}, "parts": []}, "response": {"body": {}, "parts": []}}
    numbers = {"input_tokens": 3, "output_tokens": 5, "cost_usd": "0.25", "latency_ms": 7}
    answered = {"outcome": "ok", "call_key": "a", "occurrence": 1, "replayable": True}
    await pod.kernel.record_call(task, {**call, **numbers, **answered})
    await pod.end(task, "failed", reason="it broke", retryable=False, log_tail=None)
    forked = await fork(kernel_api, instance, task_id=task.task_id)
    again = await pod.claim()
    assert (again.proc_inst_id, again.iteration, again.attempt) == (forked, 1, 1)
    assert await pod.kernel.journalled_calls(again) == []


async def test_a_fork_goes_on_with_a_newer_version_where_that_fits(kernel_api: Kernel, start: Start) -> None:
    model = unique(LINE)
    instance = await start(model)
    await submit(kernel_api, instance, "a")
    longer = model.replace(b'<bpmn:userTask id="c">', b'<bpmn:userTask id="c" name="mended">')
    assert (await deploy(kernel_api, longer)).version == 2
    forked = await fork(kernel_api, instance, step_number=3, version=2)
    await submit(kernel_api, forked, "b")
    assert (await task_of(kernel_api, forked, "c")).name == "mended"
    assert (await instance_of(kernel_api, forked)).process_definition_version == 2
    renamed = model.replace(b'"b"', b'"bb"').replace(b"a_b", b"a_bb").replace(b"b_c", b"bb_c")
    await deploy(kernel_api, renamed)
    with pytest.raises(RepairRefused, match="cannot go on with this version") as refusal:
        await fork(kernel_api, instance, step_number=3, version=3)
    assert refusal.value.word == "version_unfit"
    robot = model.replace(b'<bpmn:userTask id="b"></bpmn:userTask>', b'<bpmn:manualTask id="b"></bpmn:manualTask>')
    await deploy(kernel_api, robot)
    with pytest.raises(RepairRefused, match="of another kind"):
        await fork(kernel_api, instance, step_number=3, version=4)
    with pytest.raises(NotFound):
        await fork(kernel_api, instance, step_number=3, version=5)


async def test_what_is_not_known_exactly_is_refused(
    kernel_api: Kernel, start: Start, owner: psycopg.Connection
) -> None:
    instance = await start(unique(LINE), n=1)
    await submit(kernel_api, instance, "a")
    for number in (1, 4):
        with pytest.raises(NotFound, match="has no step"):
            await fork(kernel_api, instance, step_number=number)
    with pytest.raises(NotFound, match="There is no task"):
        await fork(kernel_api, instance, task_id=instance)
    owner.execute("update step_input set given = jsonb_set(given, '{variables,n}', '2')")
    with pytest.raises(RepairRefused, match="does not lead to the state"):
        await fork(kernel_api, instance, step_number=2)
    owner.execute("delete from step_input")
    with pytest.raises(RepairRefused, match="does not reach back"):
        await fork(kernel_api, instance, step_number=2)
    assert len(await kernel_api.find_instances()) == 1


async def test_an_instance_that_an_event_started_can_be_forked(kernel_api: Kernel) -> None:
    outputs = '<zeebe:output source="=sum * 2" target="n"/><zeebe:output source="=order" target="order"/>'
    mapping = extensions(f"<zeebe:ioMapping>{outputs}</zeebe:ioMapping>")
    begin = f'<bpmn:startEvent id="s">{mapping}{message("asked")}</bpmn:startEvent>'
    nodes = "intermediateCatchEvent m, userTask a b, endEvent e"
    await deploy(kernel_api, unique(begin + scope(nodes, "s -> m -> a -> b -> e", {"m": message()})))
    await kernel_api.publish_message("asked", "", {"sum": 4, "order": "1"}, 60, "bob")
    await work_off_arrivals(kernel_api)
    [instance] = await kernel_api.find_instances()
    await kernel_api.publish_message("paid", "1", {}, 60, "bob")
    await work_off_arrivals(kernel_api)
    await submit(kernel_api, instance.id, "a")
    made = await kernel_api.find_steps(instance.id)
    told = [(step.kind, step.activity_id, step.actor) for step in made]
    assert told == [("start", "s", "kernel"), ("event", "m", "kernel"), ("task", "a", "user:ann@acme.test")]
    assert sorted(step.at for step in made if step.at) == [step.at for step in made]
    forked = await instance_of(kernel_api, await fork(kernel_api, instance.id, step_number=2))
    assert (forked.variables["n"], forked.initiator) == (8, "bob")


async def test_an_instance_that_had_ended_has_nothing_to_fork(kernel_api: Kernel, start: Start) -> None:
    instance = await start(unique(scope("startEvent s, userTask a, endEvent e", "s -> a -> e")))
    await submit(kernel_api, instance, "a")
    with pytest.raises(RepairRefused, match="had ended"):
        await fork(kernel_api, instance, step_number=3)


async def test_a_call_activity_is_computed_again_with_the_version_of_its_time(kernel_api: Kernel, start: Start) -> None:
    called = unique(scope("startEvent s, task t, endEvent e", "s -> t -> e"))
    name = called.split(b'<bpmn:process id="')[1].split(b'"')[0].decode()
    script = '<bpmn:scriptTask id="t">' + extensions('<zeebe:script expression="={}" resultVariable="got"/>')
    with_script = called.replace(b'<bpmn:task id="t"></bpmn:task>', (script.format(1) + "</bpmn:scriptTask>").encode())
    await deploy(kernel_api, with_script)
    calls = extensions(f'<zeebe:calledElement processId="{name}"/>')
    model = scope("startEvent s, callActivity x, userTask a b, endEvent e", "s -> x -> a -> b -> e", {"x": calls})
    instance = await start(unique(model))
    await deploy(kernel_api, with_script.replace(b'"=1"', b'"=2"'))
    await submit(kernel_api, instance, "a")
    forked = await instance_of(kernel_api, await fork(kernel_api, instance, step_number=2))
    assert forked.variables == {"got": 1}


async def test_a_moved_token_cancels_its_task_and_says_who_and_why(
    kernel_api: Kernel, start: Start, start_pod: Any
) -> None:
    pod = await start_pod()
    work = extensions('<zeebe:taskDefinition type="echo"/>')
    model = scope("startEvent s, serviceTask w, userTask b, endEvent e", "s -> w -> b -> e", {"w": work})
    instance = await start(unique(model))
    task = await pod.claim()
    step, _ = await advance.step_after(pod.kernel.as_tenant("acme", "pod"), task, {})
    moved = await repair.move(kernel_api, instance, "w", "b", {"n": 1}, "the robot is not needed")
    assert moved.revision == 2
    assert (await task_of(kernel_api, instance, "w")).status == "CANCELLED"
    assert await open_tasks(kernel_api, instance) == ["b"]
    with pytest.raises(LeaseLost):
        await pod.end(task, step=step)
    [event] = await kernel_api.find_events(instance, event_type="TOKEN_MOVED")
    assert (event.actor, event.message) == ("user:ann@acme.test", "the robot is not needed")
    assert event.data is not None and (event.data["from"], event.data["to"]) == ("w", "b")


async def test_a_move_past_what_failed_ends_the_incident(kernel_api: Kernel, start: Start) -> None:
    broken = mapped("output", "=missing", "x")
    model = scope("startEvent s, userTask a b, endEvent e", "s -> a -> b -> e", {"a": broken})
    instance = await start(unique(model))
    await submit(kernel_api, instance, "a")
    assert (await instance_of(kernel_api, instance)).status == ProcessStatus.ERROR
    await repair.move(kernel_api, instance, "a", "b", {}, "not needed")
    standing = await instance_of(kernel_api, instance)
    assert (standing.status, standing.error) == (ProcessStatus.RUNNING, None)
    assert await kernel_api.find_incidents() == []


async def test_of_a_move_and_a_submission_at_once_one_comes_first_and_the_other_sees_it(
    kernel_api: Kernel, start: Start
) -> None:
    for _ in range(5):
        instance = await start(unique(LINE))
        task = await task_of(kernel_api, instance, "a")
        answers = await asyncio.gather(
            repair.move(kernel_api, instance, task.engine_token or "", "c", {}, "skip"),
            advance.submit(kernel_api, task.task_id, {}),
            return_exceptions=True,
        )
        failed = [answer for answer in answers if isinstance(answer, BaseException)]
        assert len(failed) == 1 and isinstance(failed[0], RepairRefused | Conflict), answers
        opened = await open_tasks(kernel_api, instance)
        assert opened == (["b"] if isinstance(answers[0], BaseException) else ["c"])


async def test_an_instance_that_has_ended_has_no_token_to_move(kernel_api: Kernel, start: Start) -> None:
    instance = await start(unique(LINE))
    await kernel_api.cancel_instance(instance, "no")
    with pytest.raises(Conflict, match="is CANCELLED"):
        await repair.move(kernel_api, instance, "a", "b", {}, "why")
    with pytest.raises(NotFound):
        await repair.move(kernel_api.as_tenant("globex", "user:eve"), instance, "a", "b", {}, "why")
