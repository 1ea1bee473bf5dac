"""Pods that listen are woken, but an enqueue does not cost a notification each; gauges count to 1000."""

import time

import psycopg
import pytest
from backlog import burst
from fixture_types import Enqueue, SetClock, StartInstance, StartPod
from instance_steps import agent_task, person_task

from kernel.functions import Kernel


@pytest.fixture
def listener(owner: psycopg.Connection) -> psycopg.Connection:
    owner.execute("listen fleet_tasks")
    return owner


def heard(listener: psycopg.Connection) -> int:
    """How many notifications have come."""
    listener.execute("select")
    return len(list(listener.notifies(timeout=0)))


async def test_an_idle_listener_is_woken_by_a_task(
    start_pod: StartPod, enqueue: Enqueue, listener: psycopg.Connection
) -> None:
    await start_pod()
    await enqueue()
    assert heard(listener) == 1


async def test_many_enqueues_give_a_notification_in_50_ms_at_most(
    start_pod: StartPod, enqueue: Enqueue, listener: psycopg.Connection
) -> None:
    await start_pod()
    began = time.monotonic()
    for _ in range(200):
        await enqueue()
    elapsed = time.monotonic() - began
    assert 1 <= heard(listener) <= elapsed / 0.05 + 2


async def test_a_step_that_makes_work_wakes(
    start_pod: StartPod, start_instance: StartInstance, listener: psycopg.Connection
) -> None:
    await start_pod()
    await start_instance(agent_task())
    assert heard(listener) == 1


async def test_what_no_pod_can_claim_wakes_nobody(
    start_instance: StartInstance, enqueue: Enqueue, listener: psycopg.Connection
) -> None:
    await start_instance(person_task())
    await enqueue(agent_orch="nobody")
    assert heard(listener) == 0


async def test_an_enqueue_that_is_rolled_back_wakes_nobody(start_pod: StartPod, listener: psycopg.Connection) -> None:
    await start_pod()
    with listener.transaction(force_rollback=True):
        listener.execute("""select set_config('request.jwt.claims', '{"tenant_id": "acme"}', true)""")
        listener.execute("""select enqueue_tasks('[{"activity_id": "a", "agent_orch": "echo"}]')""")
    assert heard(listener) == 0


async def test_a_queues_depth_is_counted_up_to_1000(
    start_pod: StartPod, owner: psycopg.Connection, kernel_api: Kernel
) -> None:
    await start_pod()
    there = 0
    for number in (0, 1, 999, 1000, 1001, 3000):
        burst(owner, number - there)
        there = number
        (depth,) = await kernel_api.queue_depths()
        assert (depth.queue, depth.pending_tasks, depth.in_progress_tasks) == ("echo", min(number, 1000), 0)


async def test_the_gauges_tell_running_from_waiting_tasks_and_the_oldest_age(
    start_pod: StartPod, enqueue: Enqueue, kernel_api: Kernel, set_clock: SetClock
) -> None:
    pod = await start_pod(serves=("echo", "other"))
    await enqueue(tenant="globex")
    set_clock(100)
    await enqueue(3)
    set_clock(160)
    depths = {depth.queue: depth for depth in await kernel_api.queue_depths()}
    assert (depths["echo"].pending_tasks, depths["other"].pending_tasks) == (4, 0)
    assert 160 <= depths["echo"].oldest_pending_seconds < 170
    assert depths["other"].oldest_pending_seconds == 0
    claimed = await pod.claim()
    (echo, _) = await kernel_api.queue_depths()
    assert (echo.pending_tasks, echo.in_progress_tasks) == (3, 1)
    await pod.end(claimed, "failed", reason="busy", retryable=True)
    (echo, _) = await kernel_api.queue_depths()
    assert (echo.pending_tasks, echo.in_progress_tasks) == (3, 0)
