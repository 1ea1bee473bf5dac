"""Failures that error events catch, against a real database."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest
from bpmn_writing import scope
from engine_in_database import SetClock, Start, instance_of, open_tasks, submit, unique
from event_writing import ANY_ERROR, boundary, error, mapped

from kernel.functions import Kernel
from kernel.models import ClaimedTask, ProcessStatus, TaskStatus
from process_engine.committing import repair
from process_engine.committing.arrivals import work_off_arrivals

WORK = scope("startEvent s, serviceTask a, userTask late, endEvent e", "s -> a -> e, b -> late -> e")
Fail = Callable[[str], Awaitable[None]]


@pytest.fixture
async def claim(kernel_pod: Kernel) -> Callable[[], Awaitable[ClaimedTask]]:
    pod_id = uuid4()
    await kernel_pod.register_pod(pod_id, "p", [{"id": "worker", "description": ""}], None)

    async def claim_next() -> ClaimedTask:
        task = await kernel_pod.next_task(pod_id, ["worker"], 60)
        assert task is not None
        return task

    return claim_next


@pytest.fixture
def fail(kernel_pod: Kernel, claim: Callable[[], Awaitable[ClaimedTask]]) -> Fail:
    """Claims the next task and ends its attempt with a class of failure."""

    async def end(error_class: str) -> None:
        task = await claim()
        done = {
            "tenant_id": task.tenant_id,
            "task_id": str(task.task_id),
            "proc_inst_id": str(task.proc_inst_id),
            "fencing_token": task.fencing_token,
            "outcome": "failed",
            "error_class": error_class,
            "reason": "so it is",
            "retryable": True,
        }
        await kernel_pod.next_task(uuid4(), [], 60, done)

    return end


async def kinds(kernel: Kernel, instance: UUID) -> list[str]:
    return [event.event_type for event in await kernel.find_events(instance)]


async def test_a_failure_that_is_caught_is_no_incident(kernel_api: Kernel, start: Start, fail: Fail) -> None:
    why = mapped("output", "=error.code + ': ' + error.message", "why") + error("refused")
    instance = await start(unique(WORK, boundary("b", "a", why)))
    await fail("input_refused")
    assert (await instance_of(kernel_api, instance)).status == ProcessStatus.RUNNING
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, instance) == ["late"]
    (caught,) = [t for t in await kernel_api.find_tasks(instance) if t.activity_id == "a"]
    assert (caught.status, caught.error_class) == (TaskStatus.CANCELLED, "input_refused")
    assert [attempt.reason for attempt in caught.failed_attempts] == ["so it is"]
    await submit(kernel_api, instance, "late")
    ended = await instance_of(kernel_api, instance)
    assert (ended.status, ended.variables) == (ProcessStatus.COMPLETED, {"why": "input_refused: so it is"})
    told = await kinds(kernel_api, instance)
    assert "INCIDENT" not in told and told.index("EVENT_THROWN") < told.index("EVENT_RECEIVED")


async def test_attempts_are_used_up_before_a_failure_is_thrown(
    kernel_api: Kernel, start: Start, fail: Fail, set_clock: SetClock
) -> None:
    instance = await start(unique(WORK, boundary("b", "a", error("timed_out"))))
    for attempt in (1, 2, 3):
        assert await work_off_arrivals(kernel_api) == 0, attempt
        set_clock(1000 * attempt)
        await fail("timed_out")
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, instance) == ["late"]


@pytest.mark.parametrize("definition", [error("timed_out"), ANY_ERROR, error("unmade")])
async def test_a_failure_that_nothing_catches_is_an_incident(
    kernel_api: Kernel, start: Start, fail: Fail, definition: str
) -> None:
    instance = await start(unique(WORK, boundary("b", "a", definition)))
    await fail("input_refused")
    assert await work_off_arrivals(kernel_api) == 0
    assert (await instance_of(kernel_api, instance)).status == ProcessStatus.ERROR
    assert "INCIDENT" in await kinds(kernel_api, instance)


async def test_a_worker_that_is_lost_for_good_is_caught(
    kernel_api: Kernel, start: Start, claim: Callable[[], Awaitable[ClaimedTask]], set_clock: SetClock
) -> None:
    model = unique(WORK, boundary("b", "a", error("lost"))).replace(b'type="worker"', b'type="worker" retries="1"')
    instance = await start(model.replace(b"</bpmn:definitions>", LOST + b"</bpmn:definitions>"))
    await claim()
    set_clock(61)
    with pytest.raises(AssertionError):
        await claim()
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, instance) == ["late"]


LOST = b'<bpmn:error id="e_lost" errorCode="worker_lost"/>'


async def test_a_failure_that_is_retried_before_it_is_caught_is_caught_all_the_same(
    kernel_api: Kernel, start: Start, fail: Fail
) -> None:
    instance = await start(unique(WORK, boundary("b", "a", error("refused"))))
    await fail("input_refused")
    (task,) = await kernel_api.find_tasks(instance)
    await kernel_api.retry_task(task.task_id)
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, instance) == ["late"]
    (task,) = [t for t in await kernel_api.find_tasks(instance) if t.activity_id == "a"]
    assert task.status == TaskStatus.CANCELLED


async def test_a_catching_event_that_cannot_go_on_is_an_incident_with_the_failed_task(
    kernel_api: Kernel, start: Start, fail: Fail
) -> None:
    broken = mapped("output", "=missing", "x") + error("refused")
    instance = await start(unique(WORK, boundary("b", "a", broken)))
    await fail("input_refused")
    assert await work_off_arrivals(kernel_api) == 1
    standing = await instance_of(kernel_api, instance)
    assert (standing.status, (standing.error or "")[:3]) == (ProcessStatus.ERROR, "b: ")
    (incident, task) = await kernel_api.find_incidents()
    assert {incident.kind, task.kind} == {"task", "event"}


async def test_a_fork_from_after_a_caught_failure_stands_where_that_led_and_one_from_before_waits_for_it_anew(
    kernel_api: Kernel, start: Start, fail: Fail
) -> None:
    why = mapped("output", "=error.code", "why") + error("refused")
    instance = await start(unique(WORK, boundary("b", "a", why)))
    await fail("input_refused")
    await work_off_arrivals(kernel_api)
    [late] = await kernel_api.find_tasks(instance, TaskStatus.TODO)
    after = await repair.fork(kernel_api, instance, "once more", task_id=late.task_id)
    assert await open_tasks(kernel_api, after.proc_inst_id) == ["late"]
    assert (await instance_of(kernel_api, after.proc_inst_id)).variables == {"why": "input_refused"}
    before = await repair.fork(kernel_api, instance, "once more", step_number=2)
    await fail("input_refused")
    assert await work_off_arrivals(kernel_api) == 1
    assert await open_tasks(kernel_api, before.proc_inst_id) == ["late"]
