"""A stale fencing token writes nothing, whoever holds it: neither the pod's name nor its id ever proves a claim."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from fixture_types import Enqueue, Pod, Rows, SetClock, StartPod, ended
from instance_steps import model_call

from kernel.errors import LeaseLost
from kernel.functions import Kernel
from kernel.models import ClaimedTask

Write = Callable[[Pod, ClaimedTask], Awaitable[object]]

FENCED: dict[str, Write] = {
    "complete": lambda pod, task: pod.end(task, output={"n": 1}),
    "draft": lambda pod, task: pod.end(task, "draft", output={"n": 1}),
    "fail": lambda pod, task: pod.end(task, "failed", reason="no", retryable=False),
    "retry": lambda pod, task: pod.end(task, "failed", reason="no", retryable=True),
    "release": lambda pod, task: pod.end(task, "released"),
    "complete_and_claim": lambda pod, task: pod.next(ended(task)),
    "record_call": lambda pod, task: pod.kernel.record_call(task, model_call()),
    "report_progress": lambda pod, task: pod.kernel.report_progress(task, "half"),
    "save_task_document": lambda pod, task: pod.kernel.save_task_document(task, "T", "text", [], "m", [], uuid4()),
}
WRITTEN = """select to_jsonb(t) as task, (select count(*) from events) as events,
    (select count(*) from journal) as calls, (select count(*) from documents) as documents,
    (select count(*) from notifications) as notifications from todolist t order by task_id"""


async def let_through(pod: Pod, task: ClaimedTask) -> list[str]:
    """The writes about `task` that were not refused with LeaseLost."""
    accepted = []
    for name, write in FENCED.items():
        try:
            await write(pod, task)
            accepted.append(name)
        except LeaseLost as refusal:
            assert (refusal.http_status, refusal.reason) == (409, "lease_lost")
    return accepted


async def test_the_running_claim_may_write(start_pod: StartPod, enqueue: Enqueue, rows: Rows) -> None:
    pod = await start_pod()
    for write in FENCED.values():
        await enqueue(priority=5)
        await write(pod, await pod.claim())
        rows("update todolist set status = 'CANCELLED' where status = 'PENDING' returning 1")
    assert rows("select count(*) as n from journal") == rows("select count(*) as n from documents") == [{"n": 1}]


async def test_a_pod_whose_task_was_taken_over_writes_nothing(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, rows: Rows
) -> None:
    lost, heir = await start_pod(name="a"), await start_pod(name="b")
    await enqueue()
    stale = await lost.claim()
    set_clock(61)
    assert (await heir.claim()).fencing_token > stale.fencing_token
    before = rows(WRITTEN)
    assert await let_through(lost, stale) == []
    assert rows(WRITTEN) == before


async def test_the_same_pod_cannot_write_with_the_token_of_its_earlier_claim(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, rows: Rows
) -> None:
    pod = await start_pod()
    await enqueue()
    stale = await pod.claim()
    set_clock(61)
    again = await pod.claim()
    assert (again.task_id, again.attempt) == (stale.task_id, 2)
    before = rows(WRITTEN)
    assert await let_through(pod, stale) == []
    assert rows(WRITTEN) == before
    await pod.end(again)


async def test_nothing_is_written_for_a_claim_that_has_ended(start_pod: StartPod, enqueue: Enqueue, rows: Rows) -> None:
    pod = await start_pod()
    for end in ("complete", "draft", "fail", "retry", "release"):
        await enqueue(priority=5)
        task = await pod.claim()
        await FENCED[end](pod, task)
        before = rows(WRITTEN)
        assert await let_through(pod, task) == [], end
        assert rows(WRITTEN) == before
        rows("update todolist set status = 'CANCELLED' where status = 'PENDING' returning 1")


async def test_a_token_opens_no_other_tenants_task(start_pod: StartPod, enqueue: Enqueue, rows: Rows) -> None:
    pod = await start_pod()
    await enqueue(tenant="globex")
    task = await pod.claim()
    before = rows(WRITTEN)
    assert await let_through(pod, task.model_copy(update={"tenant_id": "acme"})) == []
    assert rows(WRITTEN) == before
    assert (await pod.kernel.renew_lease(task, 60)).state == "renewed"


async def test_another_pod_that_holds_the_token_is_the_holder(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel
) -> None:
    claimer, carrier = await start_pod(name="a"), await start_pod(name="b")
    (task_id,) = await enqueue()
    await carrier.end(await claimer.claim())
    task = await kernel_api.get_task(task_id)
    assert task is not None and task.status == "DONE"


async def test_a_refused_end_claims_nothing_either(start_pod: StartPod, enqueue: Enqueue, rows: Rows) -> None:
    pod = await start_pod()
    await enqueue(2)
    task = await pod.claim()
    await pod.end(task)
    with pytest.raises(LeaseLost):
        await pod.next(ended(task))
    assert rows("select status::text from todolist order by fair_rank") == [{"status": "DONE"}, {"status": "PENDING"}]


async def test_tokens_only_grow_over_all_tasks_and_pods(start_pod: StartPod, enqueue: Enqueue) -> None:
    pods = [await start_pod(name=name) for name in "ab"]
    await enqueue(6)
    tokens = [(await pods[turn % 2].claim()).fencing_token for turn in range(6)]
    assert tokens == sorted(set(tokens))
