"""A lease that ran out is reclaimed by the next claim of any pod, and counts as an attempt; a renewal prolongs it."""

import asyncio
from datetime import timedelta

import psycopg
import pytest
from fixture_types import Enqueue, Rows, SetClock, StartInstance, StartPod
from instance_steps import agent_task, step

from kernel.errors import LeaseLost
from kernel.functions import Kernel


async def test_a_lease_that_runs_is_not_reclaimed(start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock) -> None:
    holder, other = await start_pod(name="a"), await start_pod(name="b")
    await enqueue()
    await holder.claim()
    set_clock(55)
    assert await other.next() is None
    set_clock(61)
    assert (await other.claim()).attempt == 2


async def test_the_last_renewal_is_what_counts(start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock) -> None:
    holder, other = await start_pod(name="a"), await start_pod(name="b")
    await enqueue()
    task = await holder.claim()
    for seconds in (50, 100, 150):
        now = set_clock(seconds)
        renewal = await holder.kernel.renew_lease(task, 60)
        assert renewal.state == "renewed" and renewal.lease_expires_at is not None
        assert timedelta(seconds=60) <= renewal.lease_expires_at - now < timedelta(seconds=65)
        assert await other.next() is None
    set_clock(205)
    assert await other.next() is None
    set_clock(215)
    assert (await other.claim()).task_id == task.task_id


async def test_a_renewal_may_also_shorten_the_lease(start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock) -> None:
    pod = await start_pod()
    await enqueue()
    await pod.kernel.renew_lease(await pod.claim(), 5)
    set_clock(10)
    assert (await pod.claim()).attempt == 2


async def test_a_renewal_with_a_stale_token_says_lost_and_prolongs_nothing(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, rows: Rows
) -> None:
    lost, heir = await start_pod(name="a"), await start_pod(name="b")
    await enqueue()
    stale = await lost.claim()
    set_clock(61)
    await heir.claim()
    before = rows("select * from todolist")
    renewal = await lost.kernel.renew_lease(stale, 600)
    assert (renewal.state, renewal.lease_expires_at) == ("lost", None)
    assert rows("select * from todolist") == before


async def test_the_holder_of_an_expired_lease_that_nobody_took_may_renew_it(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock
) -> None:
    holder, other = await start_pod(name="a"), await start_pod(name="b")
    await enqueue()
    task = await holder.claim()
    set_clock(100)
    assert (await holder.kernel.renew_lease(task, 60)).state == "renewed"
    assert await other.next() is None


async def test_the_holder_of_an_expired_lease_that_nobody_took_may_end_its_task(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    (task_id,) = await enqueue()
    task = await pod.claim()
    set_clock(3600)
    await pod.end(task, output={"late": True})
    done = await kernel_api.get_task(task_id)
    assert done is not None and (done.status, done.output) == ("DONE", {"late": True})


async def test_a_reclaim_is_told_in_the_events(
    start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock, kernel_api: Kernel
) -> None:
    holder, other = await start_pod(name="a"), await start_pod(name="b")
    await enqueue()
    await holder.claim()
    set_clock(61)
    await other.claim()
    events = await kernel_api.find_events()
    assert [event.event_type for event in events] == ["TASK_CREATED", "TASK_CLAIMED", "TASK_RECLAIMED", "TASK_CLAIMED"]
    assert [event.actor for event in events][1:] == [f"pod:{holder.pod_id}", "kernel", f"pod:{other.pod_id}"]
    assert "worker lost" in str(events[2].message) and str(holder.pod_id) in str(events[2].message)


async def test_a_task_that_loses_every_worker_ends_as_an_incident(
    start_pod: StartPod, start_instance: StartInstance, set_clock: SetClock, kernel_api: Kernel, rows: Rows
) -> None:
    pods = [await start_pod(name=name) for name in "ab"]
    instance_id = await start_instance(agent_task(max_attempts=2))
    for number, pod in enumerate(pods, start=1):
        set_clock(61 * (number - 1))
        assert (await pod.claim()).attempt == number
    set_clock(61 * 2)
    assert await pods[0].next() is None
    (task,) = await kernel_api.find_tasks(instance_id)
    instance = await kernel_api.get_instance(instance_id)
    assert instance is not None
    assert (task.status, task.attempt) == ("FAILED", 2)
    lost = [
        f"worker lost: pod {pod.pod_id} stopped renewing its lease in attempt {n} of 2" for n, pod in enumerate(pods, 1)
    ]
    assert task.error == f"{lost[1]}; before that, attempt 1 (worker_lost): {lost[0]}"
    assert task.error_class == "worker_lost" and task.finished_at is not None
    assert [(failed.attempt, failed.counted, failed.pod_id, failed.reason) for failed in task.failed_attempts] == [
        (1, True, pods[0].pod_id, lost[0]),
        (2, True, pods[1].pod_id, lost[1]),
    ]
    assert (instance.status, instance.error) == ("ERROR", f"work: {task.error}")
    incident = [event for event in await kernel_api.find_events(instance_id) if event.event_type == "INCIDENT"]
    assert [(event.task_id, event.message) for event in incident] == [(task.task_id, lost[1])]
    assert rows("select user_id, type, message, task_id from notifications") == [
        {
            "user_id": "ann@acme.test",
            "type": "INCIDENT",
            "message": f"work, after 2 attempts: {lost[1]}",
            "task_id": task.task_id,
        }
    ]


async def test_the_last_holder_cannot_end_a_task_that_became_an_incident(
    start_pod: StartPod, start_instance: StartInstance, set_clock: SetClock, kernel_api: Kernel
) -> None:
    lost, other = await start_pod(name="a"), await start_pod(name="b")
    instance_id = await start_instance(agent_task(max_attempts=1))
    stale = await lost.claim()
    set_clock(61)
    assert await other.next() is None
    with pytest.raises(LeaseLost):
        await lost.end(stale, step=step(1, ended=True))
    instance = await kernel_api.get_instance(instance_id)
    assert instance is not None and (instance.status, instance.revision) == ("ERROR", 1)


async def test_an_instance_that_somebody_holds_is_not_waited_for_but_swept_next_time(
    start_pod: StartPod, start_instance: StartInstance, set_clock: SetClock, kernel_api: Kernel, database_url: str
) -> None:
    lost, other = await start_pod(name="a"), await start_pod(name="b")
    instance_id = await start_instance(agent_task(max_attempts=1))
    await lost.claim()
    set_clock(61)
    async with await psycopg.AsyncConnection.connect(database_url) as holding:
        await holding.execute("select from bpm_proc_inst where id = %s for no key update", [instance_id])
        assert await asyncio.wait_for(other.next(), 10) is None
        assert [task.status for task in await kernel_api.find_tasks(instance_id)] == ["IN_PROGRESS"]
    assert await other.next() is None
    assert [task.status for task in await kernel_api.find_tasks(instance_id)] == ["FAILED"]


async def test_a_hundred_lost_tasks_all_come_back(start_pod: StartPod, enqueue: Enqueue, set_clock: SetClock) -> None:
    lost, heir = await start_pod(name="a"), await start_pod(name="b")
    ids = await enqueue(100)
    for _ in ids:
        await lost.claim()
    set_clock(61)
    back = []
    while task := await heir.next():
        back.append(task.task_id)
    assert sorted(back) == sorted(ids)
