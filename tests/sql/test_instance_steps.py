"""A step of an instance: computed for one revision, committed whole or not at all."""

import asyncio

import psycopg
import pytest
from fixture_types import Rows, StartInstance, StartPod
from instance_steps import agent_task, person_task, step

from kernel.errors import InstanceChanged, InvalidInput, Refused
from kernel.functions import Kernel

ALL = """select (select jsonb_agg(to_jsonb(t) order by task_id) from todolist t) as tasks,
    (select jsonb_agg(to_jsonb(i)) from bpm_proc_inst i) as instances, (select count(*) from events) as events,
    (select count(*) from notifications) as notifications"""


async def test_the_end_of_a_task_and_the_next_tasks_are_one_commit(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"))
    await pod.end(await pod.claim(), output={"n": 1}, step=step(1, agent_task("b"), person_task()))
    tasks = {task.activity_id: task for task in await kernel_api.find_tasks(instance_id)}
    instance = await kernel_api.get_instance(instance_id)
    assert {name: task.status for name, task in tasks.items()} == {"a": "DONE", "b": "PENDING", "approve": "TODO"}
    assert instance is not None
    assert (instance.status, instance.revision) == ("RUNNING", 2)
    assert (instance.state, instance.variables) == ({"at": 2}, {"seen": 1})
    assert len(rows("select distinct xmin from todolist")) == 1


async def test_of_two_steps_for_one_revision_the_second_is_refused_and_leaves_nothing(
    start_pod: StartPod, start_instance: StartInstance, rows: Rows
) -> None:
    pods = [await start_pod(name=name) for name in "ab"]
    await start_instance(agent_task("a"), agent_task("b"))
    first, second = [await pod.claim() for pod in pods]
    await pods[0].end(first, step=step(1, agent_task("c")))
    before = rows(ALL)
    with pytest.raises(InstanceChanged, match="moved on") as refusal:
        await pods[1].end(second, step=step(1, agent_task("d")))
    assert (refusal.value.http_status, refusal.value.reason) == (409, "instance_changed")
    assert "compute the step anew" in refusal.value.remedy
    assert rows(ALL) == before
    await pods[1].end(second, step=step(2, agent_task("d")))


async def test_of_many_steps_at_once_for_one_revision_exactly_one_wins(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pods = [await start_pod(name=str(number)) for number in range(5)]
    instance_id = await start_instance(*(agent_task(f"a{number}") for number in range(5)))
    claimed = [await pod.claim() for pod in pods]
    ends = [pod.end(task, step=step(1)) for pod, task in zip(pods, claimed, strict=True)]
    answers = await asyncio.gather(*ends, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["InstanceChanged"] * 4 + ["NoneType"]
    statuses = [str(task.status) for task in await kernel_api.find_tasks(instance_id)]
    assert sorted(statuses) == ["DONE"] + ["IN_PROGRESS"] * 4


async def test_a_person_and_a_pod_with_steps_for_one_revision_cannot_both_win(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"), person_task())
    claimed = await pod.claim()
    (todo,) = await kernel_api.find_tasks(instance_id, person="bob@acme.test")
    await pod.end(claimed, step=step(1))
    with pytest.raises(InstanceChanged):
        await kernel_api.submit_task(todo.task_id, {}, step(1))
    await kernel_api.submit_task(todo.task_id, {}, step(2, ended=True))


async def test_an_activity_has_one_task_per_iteration(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"))
    claimed = await pod.claim()
    before = rows(ALL)
    with pytest.raises(InvalidInput, match="todolist_once_per_activity"):
        await pod.end(claimed, step=step(1, agent_task("a")))
    assert rows(ALL) == before
    await pod.end(claimed, step=step(1, agent_task("a", iteration=2)))
    assert sorted(task.iteration for task in await kernel_api.find_tasks(instance_id)) == [1, 2]


async def test_a_step_with_one_bad_task_leaves_nothing_of_the_whole_step(
    start_pod: StartPod, start_instance: StartInstance, rows: Rows
) -> None:
    pod = await start_pod()
    await start_instance(agent_task("a"))
    claimed = await pod.claim()
    before = rows(ALL)
    for bad in ({"priority": 9}, {"agent_mode": "sometimes"}, {"max_attempts": 0}, {"timeout_seconds": "soon"}):
        with pytest.raises(InvalidInput):
            await pod.end(claimed, output={"n": 1}, step=step(1, agent_task("b"), agent_task("c", **bad)))
        assert rows(ALL) == before
    await pod.end(claimed, step=step(1))


async def test_the_end_of_a_task_of_an_instance_needs_a_step(
    start_pod: StartPod, start_instance: StartInstance, rows: Rows
) -> None:
    pod = await start_pod()
    await start_instance(agent_task("a"))
    claimed = await pod.claim()
    before = rows(ALL)
    with pytest.raises(Refused):
        await pod.end(claimed, output={})
    assert rows(ALL) == before


async def test_an_instance_that_ended_is_completed_and_its_initiator_is_told(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"))
    await pod.end(await pod.claim(), step=step(1, ended=True))
    instance = await kernel_api.get_instance(instance_id)
    assert instance is not None and instance.status == "COMPLETED" and instance.end_time is not None
    assert rows("select user_id, type, message, proc_inst_id, read_flag from notifications") == [
        {
            "user_id": "ann@acme.test",
            "type": "PROCESS_DONE",
            "message": "order",
            "proc_inst_id": instance_id,
            "read_flag": False,
        }
    ]
    last = (await kernel_api.find_events(instance_id))[-1]
    assert (last.event_type, last.actor) == ("INSTANCE_COMPLETED", f"pod:{pod.pod_id}")


async def test_a_step_cancels_the_tasks_it_names_and_no_others(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pods = [await start_pod(name=name) for name in "ab"]
    instance_id = await start_instance(agent_task("a"), agent_task("b"), agent_task("c"), person_task())
    first, second = [await pod.claim() for pod in pods]
    await pods[0].end(first, step=step(1, cancelled=("b", "approve")))
    statuses = {task.activity_id: task.status for task in await kernel_api.find_tasks(instance_id)}
    assert statuses == {"a": "DONE", "b": "CANCELLED", "c": "PENDING", "approve": "CANCELLED"}
    assert (await pods[1].kernel.renew_lease(second, 60)).state == "cancelled"


async def test_a_cancelled_pod_is_told_at_once(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel, owner: psycopg.Connection
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"))
    await pod.claim()
    owner.execute("listen fleet_cancel")
    await kernel_api.cancel_instance(instance_id, "")
    assert [told.payload for told in owner.notifies(timeout=5, stop_after=1)] == [str(pod.pod_id)]


async def test_an_instance_in_error_still_takes_the_steps_of_its_other_branches(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"), agent_task("b"))
    await pod.end(await pod.claim(), "failed", reason="no", retryable=False)
    await pod.end(await pod.claim(), step=step(1, agent_task("c")))
    instance = await kernel_api.get_instance(instance_id)
    assert instance is not None and (instance.status, instance.revision) == ("ERROR", 2)
    assert {task.status for task in await kernel_api.find_tasks(instance_id)} == {"FAILED", "DONE", "PENDING"}


async def test_the_events_of_an_instance_say_who_did_what_in_order(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"))
    claimed = await pod.claim()
    await pod.kernel.report_progress(claimed, "half", {"percent": 50})
    await pod.end(claimed, step=step(1, person_task()))
    (todo,) = await kernel_api.find_tasks(instance_id, person="bob@acme.test")
    await kernel_api.submit_task(todo.task_id, {}, step(2, ended=True))
    ann, its_pod = "user:ann@acme.test", f"pod:{pod.pod_id}"
    events = [(event.event_type, event.actor) for event in await kernel_api.find_events(instance_id)]
    assert events == [
        ("INSTANCE_STARTED", ann),
        ("TASK_CREATED", ann),
        ("TASK_CLAIMED", its_pod),
        ("TASK_PROGRESS", its_pod),
        ("TASK_COMPLETED", its_pod),
        ("TASK_CREATED", its_pod),
        ("TASK_SUBMITTED", ann),
        ("INSTANCE_COMPLETED", ann),
    ]
