"""How a claimed task ends: retried later, handed back, drafted, failed, cancelled, refused."""

from typing import Any

import pytest
from fixture_types import Enqueue, Rows, SetClock, StartInstance, StartPod
from instance_steps import agent_task, person_task, step

from kernel.errors import Conflict, InstanceChanged, InvalidInput, LeaseLost
from kernel.functions import Kernel


async def test_retries_wait_longer_each_time_and_at_most_ten_minutes(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue(max_attempts=9)
    clock = 0.0
    for attempt, seconds in enumerate((5, 15, 45, 135, 405, 600, 600), start=1):
        claimed = await pod.claim()
        assert claimed.attempt == attempt
        before = set_clock(clock)
        await pod.end(claimed, "failed", reason="busy", retryable=True)
        task = await kernel_api.get_task(task_id)
        assert task is not None and task.available_at is not None
        waits = (task.available_at - before).total_seconds()
        assert (task.status, task.error) == ("PENDING", "busy")
        assert seconds <= waits <= seconds * 1.2 + 2
        clock += seconds - 2
        set_clock(clock)
        assert await pod.next() is None
        clock += seconds * 0.2 + 5
        set_clock(clock)


async def test_tasks_that_failed_together_do_not_come_back_together(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    await enqueue(12)
    tasks = [await pod.claim() for _ in range(12)]
    for task in tasks:
        await pod.end(task, "failed", reason="busy", retryable=True)
    waits = {
        round((task.available_at - task.started_at).total_seconds(), 2)
        for task in await kernel_api.find_tasks()
        if task.available_at and task.started_at
    }
    assert len(waits) > 6


async def test_a_failure_that_retrying_cannot_mend_is_an_incident_at_once(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task(max_attempts=3))
    output = {"partial": [1]}
    await pod.end(await pod.claim(), "failed", reason="no such model", retryable=False, log_tail="oops", output=output)
    (task,) = await kernel_api.find_tasks(instance_id)
    instance = await kernel_api.get_instance(instance_id)
    assert instance is not None and (instance.status, instance.error) == ("ERROR", "work: no such model")
    assert (task.status, task.attempt, task.error) == ("FAILED", 1, "no such model")
    assert (task.output, task.log_tail) == (output, "oops")
    assert rows("select user_id, type from notifications") == [{"user_id": "ann@acme.test", "type": "INCIDENT"}]
    assert rows("select error, log_tail, activity_id from incidents") == [
        {"error": "no such model", "log_tail": "oops", "activity_id": "work"}
    ]


async def test_the_last_attempt_that_fails_is_an_incident_even_if_retryable(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue(max_attempts=1)
    await pod.end(await pod.claim(), "failed", reason="busy", retryable=True, log_tail="tail")
    task = await kernel_api.get_task(task_id)
    assert task is not None and (task.status, task.error, task.log_tail) == ("FAILED", "busy", "tail")
    assert await pod.next() is None


async def test_a_retry_keeps_the_reason_and_the_log_until_the_next_claim(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue()
    await pod.end(await pod.claim(), "failed", reason="busy", retryable=True, log_tail="tail")
    waiting = await kernel_api.get_task(task_id)
    set_clock(10)
    await pod.claim()
    running = await kernel_api.get_task(task_id)
    assert waiting is not None and (waiting.error, waiting.log_tail) == ("busy", "tail")
    assert running is not None and (running.error, running.log_tail) == (None, None)


async def test_a_task_that_is_handed_back_does_not_count_the_attempt(start_pod: StartPod, enqueue: Enqueue) -> None:
    pod = await start_pod()
    await enqueue(max_attempts=1)
    for _ in range(4):
        claimed = await pod.claim()
        assert claimed.attempt == 1
        await pod.end(claimed, "released")


async def test_a_draft_waits_for_a_person_and_then_moves_the_instance_on(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    task = agent_task(agent_mode="draft", assignee="bob@acme.test", candidate_groups=["sales"])
    instance_id = await start_instance(task)
    claimed = await pod.claim()
    assert claimed.agent_mode == "draft"
    await pod.end(claimed, "draft", output={"answer": 41})
    drafted = await kernel_api.get_task(claimed.task_id)
    assert drafted is not None and (drafted.status, drafted.draft, drafted.output) == ("TODO", {"answer": 41}, None)
    assert rows("select user_id, type from notifications order by user_id") == [
        {"user_id": "bob@acme.test", "type": "TASK_ASSIGNED"},
        {"user_id": "group:sales", "type": "TASK_ASSIGNED"},
    ]
    assert await pod.next() is None
    await kernel_api.submit_task(claimed.task_id, {"answer": 42}, step(1, ended=True))
    done = await kernel_api.get_task(claimed.task_id)
    instance = await kernel_api.get_instance(instance_id)
    assert done is not None and (done.status, done.draft, done.output) == ("DONE", {"answer": 41}, {"answer": 42})
    assert (done.submitted_by, instance and instance.status) == ("user:ann@acme.test", "COMPLETED")


async def test_a_task_that_is_not_open_for_people_cannot_be_submitted(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue()
    for status in ("PENDING", "IN_PROGRESS"):
        with pytest.raises(Conflict, match=f"is {status}: only a task in TODO") as refusal:
            await kernel_api.submit_task(task_id, {})
        assert (refusal.value.reason, refusal.value.remedy) == ("task_closed", "Read the task again.")
        if status == "PENDING":
            await pod.claim()


async def test_submitting_with_an_incident_keeps_the_output_and_says_why(
    start_instance: StartInstance, kernel_api: Kernel
) -> None:
    instance_id = await start_instance(person_task())
    (task,) = await kernel_api.find_tasks(instance_id)
    incident = {"revision": 1, "reason": "no flow's condition holds"}
    with pytest.raises(InstanceChanged):
        await kernel_api.submit_task(task.task_id, {"ok": True}, incident={**incident, "revision": 0})
    await kernel_api.submit_task(task.task_id, {"ok": True}, incident=incident)
    (task,) = await kernel_api.find_tasks(instance_id)
    instance = await kernel_api.get_instance(instance_id)
    assert (task.status, task.output, task.error) == ("FAILED", {"ok": True}, "no flow's condition holds")
    assert instance is not None and instance.status == "ERROR"


async def test_cancelling_an_instance_reaches_the_pod_at_its_next_renewal(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"), agent_task("b"), person_task())
    running = await pod.claim()
    await kernel_api.cancel_instance(instance_id, "not needed")
    assert (await pod.kernel.renew_lease(running, 60)).state == "cancelled"
    with pytest.raises(LeaseLost):
        await pod.end(running, step=step(1))
    assert await pod.next() is None
    instance = await kernel_api.get_instance(instance_id)
    assert instance is not None and instance.status == "CANCELLED" and instance.end_time is not None
    assert {task.status for task in await kernel_api.find_tasks(instance_id)} == {"CANCELLED"}
    last = (await kernel_api.find_events(instance_id))[-1]
    assert (last.event_type, last.actor, last.message) == ("INSTANCE_CANCELLED", "user:ann@acme.test", "not needed")


async def test_a_finished_task_of_a_cancelled_instance_stays_done(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"))
    await pod.end(await pod.claim(), step=step(1, agent_task("b")))
    await kernel_api.cancel_instance(instance_id, "")
    statuses = {task.activity_id: task.status for task in await kernel_api.find_tasks(instance_id)}
    assert statuses == {"a": "DONE", "b": "CANCELLED"}


async def test_an_orchestrator_that_nobody_registered_is_an_incident_at_once(
    start_instance: StartInstance, kernel_api: Kernel, rows: Rows
) -> None:
    instance_id = await start_instance(agent_task(agent_orch="nobody"))
    (task,) = await kernel_api.find_tasks(instance_id)
    instance = await kernel_api.get_instance(instance_id)
    assert (task.status, task.attempt) == ("FAILED", 0)
    assert '"nobody" is not registered: start a pod that serves it' in str(task.error)
    assert instance is not None and instance.status == "ERROR"
    assert rows("select type, message from notifications") == [{"type": "INCIDENT", "message": task.error}]


@pytest.mark.parametrize(("unknown", "shown"), [("finished", "finished"), (None, "")])
async def test_an_unknown_outcome_is_refused_and_the_task_goes_on(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, unknown: Any, shown: str
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue()
    claimed = await pod.claim()
    with pytest.raises(InvalidInput, match=f'outcome "{shown}" is not known') as refusal:
        await pod.end(claimed, unknown)
    assert (refusal.value.reason, refusal.value.remedy) == ("outcome", "Use done, draft, failed or released.")
    task = await kernel_api.get_task(task_id)
    assert task is not None and task.status == "IN_PROGRESS"
    await pod.end(claimed)
