"""A pool: its connections are given back whatever happens, and a full or missing one says so."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import combinations

import pytest
from psycopg.conninfo import make_conninfo

from kernel.errors import DatabaseUnavailable, InvalidInput
from kernel.postgres import PostgresPool

NAMES = ("a", "b", "c", "d", "e")
Cut = Callable[[], None]
UntilAsleep = Callable[[int], Awaitable[None]]
SUBSETS = [subset for size in range(1, 6) for subset in combinations(NAMES, size)]


@pytest.fixture
async def pool(calls_url: str) -> AsyncIterator[PostgresPool]:
    async with PostgresPool(calls_url, size=2) as pool:
        yield pool


def shorten_patience(pool: PostgresPool, seconds: float) -> None:
    """Let callers wait for a connection this long only."""
    pool._pool.timeout = seconds


async def test_more_callers_than_connections_are_all_answered_with_their_own_claims(pool: PostgresPool) -> None:
    calls = [pool.call("total", {"tenant_id": str(n)}, a=n) for n in range(40)]
    rows = [row for (row,) in await asyncio.gather(*calls)]
    assert [(row["total"], row["tenant"]) for row in rows] == [(n, str(n)) for n in range(40)]


async def test_a_pool_without_a_free_connection_is_unavailable(pool: PostgresPool, until_asleep: UntilAsleep) -> None:
    naps = [asyncio.create_task(pool.call("nap", None, seconds=60)) for _ in range(2)]
    await until_asleep(2)
    shorten_patience(pool, 0.05)
    with pytest.raises(DatabaseUnavailable, match="gave no connection"):
        await pool.call("total", None, a=1)
    for nap in naps:
        nap.cancel()
    await asyncio.gather(*naps, return_exceptions=True)
    shorten_patience(pool, 20)
    assert await pool.call("total", None, a=1)


async def test_refused_calls_do_not_use_up_the_pool(pool: PostgresPool) -> None:
    for _ in range(5):
        with pytest.raises(InvalidInput):
            await pool.call("total", {"tenant_id": "acme"}, a="many")
    assert await pool.call("total", None, a=1)


async def test_a_call_may_be_cancelled_at_any_moment_even_while_its_statement_is_prepared(pool: PostgresPool) -> None:
    for moment, names in enumerate(SUBSETS):
        call = asyncio.create_task(pool.call("total", {"tenant_id": "acme"}, **dict.fromkeys(names, 1)))
        for _ in range(moment % 16):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        answers = await asyncio.gather(*(pool.call("total", None, **dict.fromkeys(names, 1)) for _ in range(3)))
        assert [row["total"] for (row,) in answers] == [len(names)] * 3


async def test_connections_that_were_cut_are_replaced(pool: PostgresPool, cut: Cut) -> None:
    await asyncio.gather(*(pool.call("total", None, a=1) for _ in range(4)))
    cut()
    answers = await asyncio.gather(*(pool.call("total", None, a=1) for _ in range(4)))
    assert [row["total"] for (row,) in answers] == [1] * 4


async def test_a_connection_cut_in_the_middle_of_a_call_is_unavailable_and_replaced(
    pool: PostgresPool, cut: Cut, until_asleep: UntilAsleep
) -> None:
    nap = asyncio.create_task(pool.call("nap", None, seconds=60))
    await until_asleep(1)
    cut()
    with pytest.raises(DatabaseUnavailable):
        await nap
    assert await pool.call("total", None, a=1)


async def test_a_closed_pool_is_unavailable(calls_url: str) -> None:
    async with PostgresPool(calls_url) as pool:
        assert await pool.call("find_agents", None) == []
    with pytest.raises(DatabaseUnavailable):
        await pool.call("find_agents", None)


async def test_a_database_that_is_not_there_is_unavailable_when_it_is_asked(calls_url: str) -> None:
    async with PostgresPool(make_conninfo(calls_url, dbname="no_such_database"), size=1) as pool:
        shorten_patience(pool, 0.05)
        with pytest.raises(DatabaseUnavailable):
            await pool.call("find_agents", None)
