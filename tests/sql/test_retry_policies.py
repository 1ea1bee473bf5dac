"""When a failed attempt is made again, after which error classes, and what is kept of each."""

from typing import Any

import pytest
from fixture_types import Enqueue, Rows, SetClock, StartInstance, StartPod
from instance_steps import agent_task, person_task, step

from kernel.error_classes import NEVER_RETRIED, ErrorClass
from kernel.errors import InvalidInput
from kernel.functions import Kernel
from kernel.models import Task

BY_DEFAULT = set(ErrorClass) - NEVER_RETRIED - {ErrorClass.MODEL_AUTH, ErrorClass.MODEL_REFUSED}


async def task_of(kernel: Kernel, task_id: Any) -> Task:
    task = await kernel.get_task(task_id)
    assert task is not None
    return task


def wait_seconds(task: Task, since: Any) -> float:
    assert task.available_at is not None
    return (task.available_at - since).total_seconds()


def test_the_error_classes_are_the_same_in_sql_and_in_python(rows: Rows) -> None:
    found = rows("select * from kernel.error_classes()")
    assert [row["error_class"] for row in found] == list(ErrorClass)
    assert {row["error_class"] for row in found if not row["may_retry"]} == NEVER_RETRIED
    assert {row["error_class"] for row in found if row["retried"]} == BY_DEFAULT
    assert [row["error_class"] for row in found if not row["counts"]] == ["model_overloaded"]


@pytest.mark.parametrize("error_class", sorted(set(ErrorClass) - {ErrorClass.WORKER_LOST}))
async def test_each_class_is_retried_or_not_by_default(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, error_class: ErrorClass
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue()
    await pod.end(await pod.claim(), "failed", error_class=error_class, reason="so it is", retryable=True)
    task = await task_of(kernel_api, task_id)
    assert task.status == ("PENDING" if error_class in BY_DEFAULT else "FAILED")
    assert task.error_class == (None if error_class in BY_DEFAULT else error_class)
    assert [failed.error_class for failed in task.failed_attempts] == [error_class]


async def test_a_policy_says_which_classes_are_retried_but_not_those_that_never_are(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    policy = {"retry_on": ["model_auth"]}
    for error_class, status in (("model_auth", "PENDING"), ("timed_out", "FAILED"), ("input_refused", "FAILED")):
        (task_id,) = await enqueue(retry_policy=policy)
        await pod.end(await pod.claim(), "failed", error_class=error_class, reason="r", retryable=True)
        assert (await task_of(kernel_api, task_id)).status == status


async def test_a_class_that_is_not_in_the_list_is_refused(start_pod: StartPod, enqueue: Enqueue) -> None:
    pod = await start_pod()
    await enqueue()
    with pytest.raises(InvalidInput, match='error class "bad_mood" is not known'):
        await pod.end(await pod.claim(), "failed", error_class="bad_mood", reason="r", retryable=True)


@pytest.mark.parametrize(
    "policy",
    [
        [], {"first_seconds": 0}, {"factor": 11}, {"cap_seconds": "10"}, {"retry_on": ["bad_mood"]}, {"most": 1},
        {"retry_on": ["given_up"]}, {"retry_on": "timed_out"},
    ],
)  # fmt: skip
async def test_what_is_no_policy_is_refused(enqueue: Enqueue, start_pod: StartPod, policy: Any) -> None:
    await start_pod()
    with pytest.raises(InvalidInput, match="retry policy: "):
        await enqueue(retry_policy=policy)


async def test_the_pauses_of_a_policy_a_minute_then_five_then_at_most_a_quarter_of_an_hour(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue(
        max_attempts=9, retry_policy={"first_seconds": 60, "factor": 5, "cap_seconds": 900}
    )  # fmt: skip
    clock = 0.0
    for seconds in (60, 300, 900, 900):
        claimed = await pod.claim()
        since = set_clock(clock)
        await pod.end(claimed, "failed", error_class="timed_out", reason="slow", retryable=True)
        assert seconds <= wait_seconds(await task_of(kernel_api, task_id), since) <= seconds * 1.2 + 2
        clock += seconds * 1.2 + 5
        set_clock(clock)


async def test_the_policy_of_a_tenant_holds_where_the_task_has_none(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel, owner: Any
) -> None:
    owner.execute("""update tenants set retry_policy = '{"first_seconds": 100}' where tenant_id = 'acme'""")
    pod = await start_pod()
    for policy, seconds in ((None, 100), ({"first_seconds": 1}, 1)):
        (task_id,) = await enqueue(retry_policy=policy)
        claimed = await pod.claim()
        since = set_clock(0)
        await pod.end(claimed, "failed", error_class="timed_out", reason="slow", retryable=True)
        assert seconds <= wait_seconds(await task_of(kernel_api, task_id), since) <= seconds * 1.2 + 2


async def test_an_overloaded_model_is_not_asked_before_its_time_and_uses_no_attempt_up(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue(max_attempts=1)
    clock = 0.0
    for retry_after in (30.0, 2.0, None):
        claimed = await pod.claim()
        assert claimed.attempt == 1
        since = set_clock(clock)
        await pod.end(
            claimed, "failed", error_class="model_overloaded", reason="HTTP 429", retryable=True,
            retry_after_seconds=retry_after,
        )  # fmt: skip
        waits = wait_seconds(await task_of(kernel_api, task_id), since)
        expected = max(retry_after or 0, 5 * 3 ** [30.0, 2.0, None].index(retry_after))
        assert expected <= waits <= expected * 1.2 + 2
        clock += expected - 2
        set_clock(clock)
        assert await pod.next() is None
        clock += expected * 0.2 + 5
        set_clock(clock)
    await pod.end(await pod.claim(), "failed", error_class="timed_out", reason="slow", retryable=True)
    task = await task_of(kernel_api, task_id)
    assert (task.status, task.attempt) == ("FAILED", 1)
    assert [(failed.attempt, failed.counted) for failed in task.failed_attempts] == [(1, False)] * 3 + [(1, True)]


async def test_a_model_that_stays_overloaded_ends_in_an_incident(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue(max_attempts=2)
    runs, clock = 0, 0.0
    while (task := await task_of(kernel_api, task_id)).status == "PENDING":
        claimed = await pod.claim()
        runs += 1
        await pod.end(claimed, "failed", error_class="model_overloaded", reason="HTTP 429", retryable=True)
        clock += 800
        set_clock(clock)
    assert (runs, task.status, task.error_class, task.attempt) == (32, "FAILED", "model_overloaded", 2)


async def test_a_named_time_is_kept_for_a_day_at_most(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue()
    claimed = await pod.claim()
    since = set_clock(0)
    await pod.end(
        claimed, "failed", error_class="model_overloaded", reason="r", retryable=True, retry_after_seconds=1e300
    )
    assert 86_400 <= wait_seconds(await task_of(kernel_api, task_id), since) <= 86_400 * 1.2 + 2


async def test_a_task_that_kills_its_pods_is_taken_over_at_once_the_first_time_and_later_with_pauses(
    start_pod: StartPod, start_instance: StartInstance, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task(max_attempts=3))
    clock = 0.0
    for attempt, pause in enumerate((0, 0, 15), start=1):
        clock += pause * 1.2 + 5
        set_clock(clock)
        assert (await pod.claim()).attempt == attempt
        clock += 61
        set_clock(clock)
        if attempt == 2:
            assert await pod.next() is None
            (task,) = await kernel_api.find_tasks(instance_id)
            assert task.status == "PENDING" and task.available_at is not None
    assert await pod.next() is None
    (task,) = await kernel_api.find_tasks(instance_id)
    instance = await kernel_api.get_instance(instance_id)
    assert (task.status, task.error_class) == ("FAILED", "worker_lost") and instance and instance.status == "ERROR"
    assert [(failed.attempt, failed.error_class) for failed in task.failed_attempts] == [
        (attempt, "worker_lost") for attempt in (1, 2, 3)
    ]
    assert all(f"in attempt {attempt} of 3" in str(task.error) for attempt in (1, 2, 3))


async def test_a_policy_may_forbid_to_take_a_lost_task_over(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue(retry_policy={"retry_on": ["model_overloaded"]})
    await pod.claim()
    set_clock(61)
    assert await pod.next() is None
    assert (await task_of(kernel_api, task_id)).status == "FAILED"


async def test_the_reasons_of_many_attempts_stay_short(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue(max_attempts=30)
    for attempt in range(30):
        set_clock(1000.0 * attempt)
        reason = f"reason {attempt + 1} " + "x" * 5000
        await pod.end(await pod.claim(), "failed", error_class="tool_failed", reason=reason, retryable=True)
    task = await task_of(kernel_api, task_id)
    assert task.status == "FAILED" and len(task.failed_attempts) == 30
    error = str(task.error)
    assert error.startswith("reason 30 x") and "attempt 29 (tool_failed): reason 29" in error and len(error) < 8000
    assert "attempt 20" in error and "attempt 19" not in error and error.endswith("; and others")
    assert max(len(failed.reason) for failed in task.failed_attempts) == 500


async def test_a_task_that_is_taken_up_again_begins_a_new_list_and_the_event_keeps_the_old_one(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task())
    claimed = await pod.claim()
    await pod.end(claimed, "failed", error_class="model_auth", reason="HTTP 401", retryable=True)
    task = await kernel_api.retry_task(claimed.task_id)
    assert (task.error_class, task.failed_attempts) == (None, [])
    [event] = [e for e in await kernel_api.find_events(instance_id) if e.event_type == "INCIDENT_RETRIED"]
    assert event.data and event.data["error_class"] == "model_auth"
    assert [failed["reason"] for failed in event.data["failed_attempts"]] == ["HTTP 401"]


async def test_the_events_of_an_attempt_name_its_class(
    start_pod: StartPod, start_instance: StartInstance, set_clock: SetClock, kernel_api: Kernel, rows: Rows
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task(max_attempts=2))
    for seconds in (0, 10):
        set_clock(seconds)
        await pod.end(await pod.claim(), "failed", error_class="tool_failed", reason="no", retryable=True)
    told = [
        (event.event_type, event.data["error_class"])
        for event in await kernel_api.find_events(instance_id)
        if event.data and "error_class" in event.data
    ]
    assert told == [("TASK_RETRIED", "tool_failed"), ("INCIDENT", "tool_failed")]
    [incident] = rows("select error_class, jsonb_array_length(failed_attempts) as attempts from incidents")
    assert incident == {"error_class": "tool_failed", "attempts": 2}


async def test_what_no_attempt_led_to_has_a_class_and_no_attempts(
    start_instance: StartInstance, kernel_api: Kernel
) -> None:
    await start_instance(agent_task(agent_orch="nobody"), person_task())
    (person,) = [task for task in await kernel_api.find_tasks() if task.status == "TODO"]
    await kernel_api.submit_task(person.task_id, {}, incident={"revision": 1, "reason": "no branch"})
    for task in await kernel_api.find_tasks():
        assert (task.status, task.error_class, task.failed_attempts) == ("FAILED", "definition_invalid", [])


async def test_a_step_that_withdraws_what_had_failed_takes_the_instance_out_of_error(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"), agent_task("b"))
    await pod.end(await pod.claim(), "failed", error_class="model_auth", reason="HTTP 401", retryable=True)
    await pod.end(await pod.claim(), step=step(1, person_task("c"), cancelled=("a",)))
    instance = await kernel_api.get_instance(instance_id)
    assert instance is not None and (instance.status, instance.error) == ("RUNNING", None)


async def test_an_instance_with_a_failed_task_cannot_be_completed(
    start_pod: StartPod, start_instance: StartInstance, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    instance_id = await start_instance(agent_task("a"), agent_task("b"))
    await pod.end(await pod.claim(), "failed", error_class="model_auth", reason="HTTP 401", retryable=True)
    last = await pod.claim()
    with pytest.raises(InvalidInput, match="has an incident: it cannot be COMPLETED"):
        await pod.end(last, step=step(1, ended=True))
    with pytest.raises(InvalidInput, match="A step that ends the instance cannot make tasks"):
        await pod.end(last, step=step(1, agent_task("c"), ended=True, cancelled=("a",)))
    instance = await kernel_api.get_instance(instance_id)
    assert instance is not None and (instance.status, instance.revision) == ("ERROR", 1)
    await pod.end(last, step=step(1, ended=True, cancelled=("a",)))
    instance = await kernel_api.get_instance(instance_id)
    assert instance is not None and (instance.status, instance.error) == ("COMPLETED", None)
