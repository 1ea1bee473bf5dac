"""max_waiting of a tenant: when new work is refused, what counts as waiting, and when to come back."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
import pytest
from backlog import burst
from fixture_types import Enqueue, Pod, SetClock, StartInstance, StartPod, ended
from instance_steps import agent_task, person_task, step

from kernel.errors import InvalidInput, TooMany
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

Limit = Callable[..., None]


@pytest.fixture
def limit(owner: psycopg.Connection) -> Limit:
    def set_limit(max_waiting: int | None, max_running: int | None = None, tenant: str = "acme") -> None:
        query = "select * from public.set_tenant_share(%s, 1::numeric, %s::int, %s::int)"
        owner.execute(query, [tenant, max_running, max_waiting])

    return set_limit


@pytest.fixture
async def pod(start_pod: StartPod) -> Pod:
    return await start_pod()


async def refused(enqueue: Enqueue, number: int = 1) -> int | None:
    """The seconds after which `number` more tasks may be tried again."""
    with pytest.raises(TooMany) as refusal:
        await enqueue(number)
    assert refusal.value.reason == "queue_full"
    return refusal.value.retry_after


async def test_what_would_be_over_the_limit_is_refused_and_leaves_nothing(
    pod: Pod, enqueue: Enqueue, limit: Limit, owner: psycopg.Connection
) -> None:
    limit(3)
    await enqueue(2)
    await refused(enqueue, 2)
    await enqueue(1)
    await refused(enqueue)
    assert owner.execute("select count(*) from public.todolist").fetchone() == (3,)


async def test_a_place_is_free_again_when_a_task_is_claimed(pod: Pod, enqueue: Enqueue, limit: Limit) -> None:
    limit(1)
    await enqueue(1)
    await refused(enqueue)
    await pod.claim()
    await enqueue(1)


async def test_the_limit_of_one_tenant_does_not_hold_for_others(pod: Pod, enqueue: Enqueue, limit: Limit) -> None:
    limit(1)
    await enqueue(1)
    await refused(enqueue)
    await enqueue(5, tenant="globex")


async def test_parked_stopped_and_retried_tasks_wait_too(
    pod: Pod, enqueue: Enqueue, limit: Limit, kernel_api: Kernel
) -> None:
    limit(3, max_running=1)
    await enqueue(2)
    task = await pod.claim()
    await pod.end(task, "failed", reason="busy", retryable=True, log_tail="")
    await enqueue(1)
    await refused(enqueue)
    switch = await kernel_api.set_kill_switch("tenant", "", "a storm", False)
    assert (await kernel_api.enforce_kill_switch(switch.switch_id))[0] > 0
    await refused(enqueue)


async def test_an_instance_moves_on_whatever_waits(
    pod: Pod, enqueue: Enqueue, limit: Limit, start_instance: StartInstance, owner: psycopg.Connection
) -> None:
    await start_instance(agent_task())
    task = await pod.claim()
    limit(1)
    await enqueue(1)
    next_tasks = step(1, agent_task("second"), agent_task("third"))
    await pod.end(task, step=next_tasks)
    assert owner.execute("select count(*) from public.todolist where status = 'PENDING'").fetchone() == (3,)
    await refused(enqueue)


async def test_a_start_is_refused_for_its_agents_tasks_alone(
    pod: Pod, enqueue: Enqueue, limit: Limit, start_instance: StartInstance
) -> None:
    limit(1)
    await enqueue(1)
    await start_instance(person_task())
    with pytest.raises(TooMany, match="1 tasks of the tenant wait, 1 more are too many: its max_waiting is 1"):
        await start_instance(agent_task())


async def test_a_start_that_could_never_fit_is_no_matter_of_time(pod: Pod, enqueue: Enqueue, limit: Limit) -> None:
    limit(2)
    with pytest.raises(InvalidInput, match="3 tasks at once"):
        await enqueue(3)


async def test_a_repeated_start_is_answered_though_the_queue_is_full(
    pod: Pod, limit: Limit, kernel_api: Kernel, deployed: str
) -> None:
    limit(1)
    first, again = [
        await kernel_api.start_instance(deployed, 1, "ann@acme.test", step(0, agent_task()), "key", "print")
        for _ in range(2)
    ]
    assert (again.proc_inst_id, again.replayed) == (first.proc_inst_id, True)
    with pytest.raises(TooMany):
        await kernel_api.start_instance(deployed, 1, "ann@acme.test", step(0, agent_task()), "other", "print")
    limit(2)
    retried = await kernel_api.start_instance(deployed, 1, "ann@acme.test", step(0, agent_task()), "other", "print")
    assert not retried.replayed


async def test_starts_at_one_moment_do_not_pass_the_limit_together(
    pod: Pod, limit: Limit, database_url: str, owner: psycopg.Connection
) -> None:
    limit(10)
    connections = [PostgresConnection(database_url, role="fleet_api") for _ in range(6)]

    async def push(connection: PostgresConnection) -> int:
        kernel = Kernel(connection, {"tenant_id": "acme", "actor": "user:ann@acme.test"})
        taken = 0
        for _ in range(6):
            with suppress(TooMany):
                taken += len(await kernel.enqueue_tasks([{"activity_id": "work", "agent_orch": "echo"}]))
        return taken

    taken = await asyncio.gather(*(push(connection) for connection in connections))
    for connection in connections:
        await connection.close()
    assert sum(taken) == 10
    assert owner.execute("select count(*) from public.todolist").fetchone() == (10,)


async def test_the_wait_follows_from_what_pods_have_ended_in_the_last_minute(
    pod: Pod, enqueue: Enqueue, limit: Limit, set_clock: SetClock
) -> None:
    await enqueue(40)
    limit(10)
    assert await refused(enqueue) == 60, "nothing was ended yet"
    task = None
    for _ in range(13):
        task = await pod.next(ended(task) if task else None)
    assert task is not None
    # 12 ends in a minute are one in 5 seconds; 27 wait, so 18 must go before one more fits
    assert await refused(enqueue) == 18 * 5
    set_clock(61)
    assert await refused(enqueue) == 60


async def test_what_an_end_brings_is_no_drain(
    pod: Pod, enqueue: Enqueue, limit: Limit, start_instance: StartInstance
) -> None:
    await start_instance(agent_task())
    first = await pod.claim()
    await pod.end(first, step=step(1, agent_task("second")))
    limit(1)
    assert await refused(enqueue) == 60


async def test_a_message_that_would_start_an_instance_is_refused_and_any_other_is_not(
    pod: Pod, enqueue: Enqueue, limit: Limit, kernel_api: Kernel, owner: psycopg.Connection, deployed: str
) -> None:
    owner.execute(
        "select kernel.open_waits('acme', null, 'order', 1, 0, %s, kernel.now())",
        ['[{"kind": "message", "name": "ordered", "element": "start", "once": false}]'],
    )
    limit(1)
    await enqueue(1)
    with pytest.raises(TooMany):
        await kernel_api.publish_message("ordered", "", {}, 60, "ann@acme.test")
    kept = await kernel_api.publish_message("paid", "4711", {}, 60, "ann@acme.test")
    assert kept.status == "kept"
    assert owner.execute("select name from public.event_arrival").fetchall() == [("paid",)]


def test_counting_stops_and_reads_no_table_from_end_to_end(pod: Pod, owner: psycopg.Connection) -> None:
    burst(owner, 20_000)
    plain = "select kernel.count_waiting('acme', %s)"
    assert owner.execute(plain, [1_000_000]).fetchone() == (20_000,)
    explained = "explain (analyze, buffers, format json) select kernel.count_waiting('acme', 100)"
    (plan,) = owner.execute(explained).fetchone() or ()
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 100


@pytest.mark.parametrize("max_waiting", [0, 100_001])
def test_a_limit_out_of_range_is_refused(limit: Limit, max_waiting: int) -> None:
    with pytest.raises(psycopg.Error, match="max_waiting"):
        limit(max_waiting)
