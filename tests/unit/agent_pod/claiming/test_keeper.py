"""The keeper renews leases whatever the pod's main thread does, and tells when a task is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest

from agent_pod.claiming.keeper import Keeper
from kernel.embedded import EmbeddedPostgres
from kernel.models import ClaimedTask
from kernel.postgres import PostgresConnection

LEASE_SECONDS = 3
StartKeeper = Callable[[Any], Awaitable[Keeper]]


@pytest.fixture
async def start_keeper(database_url: str) -> AsyncIterator[StartKeeper]:
    keepers: list[Keeper] = []

    async def start(pod: Any) -> Keeper:
        keepers.append(Keeper(lambda: PostgresConnection(database_url, "fleet_pod"), pod.pod_id, LEASE_SECONDS))
        keepers[-1].start()
        return keepers[-1]

    yield start
    for keeper in keepers:
        await asyncio.to_thread(keeper.stop)


@pytest.fixture
async def claimed(start_pod: Any, enqueue: Any) -> tuple[Any, ClaimedTask]:
    pod = await start_pod()
    pod.lease_seconds = LEASE_SECONDS
    await enqueue()
    return pod, await pod.claim()


def gone_future(keeper: Keeper, task: ClaimedTask) -> "asyncio.Future[str]":
    gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    keeper.hold(task, gone.set_result)
    return gone


async def test_a_blocked_main_thread_keeps_its_lease(claimed: Any, start_keeper: StartKeeper, start_pod: Any) -> None:
    pod, task = claimed
    gone = gone_future(await start_keeper(pod), task)
    time.sleep(LEASE_SECONDS + 1)  # noqa: ASYNC251  # what is tested is that the loop is blocked
    other = await start_pod(name="other")
    assert await other.next() is None
    await pod.end(task, output={})
    assert not gone.done()


async def test_without_a_keeper_the_lease_is_lost(claimed: Any, start_pod: Any, set_clock: Any) -> None:
    _, task = claimed
    set_clock(LEASE_SECONDS + 1)
    assert (await (await start_pod(name="other")).claim()).task_id == task.task_id


async def test_a_lease_is_held_until_it_was_not_renewed_for_its_length(claimed: Any, database_url: str) -> None:
    pod, task = claimed
    for seconds, held in ((60, True), (0, False)):
        keeper = Keeper(lambda: PostgresConnection(database_url, "fleet_pod"), pod.pod_id, seconds)
        assert not keeper.holds(task)
        gone_future(keeper, task)
        assert keeper.holds(task) is held
        keeper.release()
        assert not keeper.holds(task)


async def test_a_cancel_is_told_at_once(claimed: Any, start_keeper: StartKeeper, owner: psycopg.Connection) -> None:
    pod, task = claimed
    gone = gone_future(await start_keeper(pod), task)
    await asyncio.to_thread(_heard, owner)
    owner.execute("update public.todolist set status = 'CANCELLED'")
    owner.execute("select pg_notify('fleet_cancel', %s)", [str(pod.pod_id)])
    assert await asyncio.wait_for(gone, timeout=0.9) == "cancelled"  # the next renewal would be a second away


async def test_a_task_that_another_pod_has_is_told_as_lost(
    claimed: Any, start_keeper: StartKeeper, start_pod: Any, set_clock: Any
) -> None:
    pod, task = claimed
    set_clock(3600)
    await (await start_pod(name="other")).claim()
    gone = gone_future(await start_keeper(pod), task)
    assert await asyncio.wait_for(gone, timeout=10) == "lost"


async def test_a_database_that_goes_away_for_a_lease_loses_the_task_and_is_found_again(
    claimed: Any, start_keeper: StartKeeper, owner: psycopg.Connection, server: EmbeddedPostgres
) -> None:
    pod, task = claimed
    keeper = await start_keeper(pod)
    gone = gone_future(keeper, task)
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute(f"alter database {owner.info.dbname} with allow_connections false")
        _cut(owner)
        try:
            assert await asyncio.wait_for(gone, timeout=20) == "lost"
        finally:
            superuser.execute(f"alter database {owner.info.dbname} with allow_connections true")
    await asyncio.to_thread(_heard, owner)


async def test_a_cut_connection_alone_loses_nothing(
    claimed: Any, start_keeper: StartKeeper, owner: psycopg.Connection
) -> None:
    pod, task = claimed
    gone = gone_future(await start_keeper(pod), task)
    await asyncio.to_thread(_heard, owner)
    _cut(owner)
    await asyncio.to_thread(_heard, owner)
    assert not gone.done()
    status = owner.execute("select status from public.todolist where task_id = %s", [task.task_id]).fetchone()
    assert status == ("IN_PROGRESS",)


def _cut(owner: psycopg.Connection) -> None:
    owner.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )


def _heard(owner: psycopg.Connection) -> None:
    """Wait until the keeper has said that its pod lives, since now."""
    deadline = time.monotonic() + 20
    before = owner.execute("select max(heartbeat_at) from public.pod").fetchone()
    while time.monotonic() < deadline:
        if owner.execute("select max(heartbeat_at) from public.pod").fetchone() != before:
            return
        time.sleep(0.02)
    raise AssertionError("the keeper was not heard of")
