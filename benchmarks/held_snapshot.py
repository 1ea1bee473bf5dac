"""Drain by four claimers while one REPEATABLE READ transaction stays open for a minute, beside pgbench under the same.

Such a transaction (a report, a backup) keeps every dead row version alive; a queue that looks over them gets slower and
slower.
"""

import asyncio

import psycopg

from benchmarks import claimers, fleet_queue, raw_queue
from benchmarks.figures import Figure

SECONDS, WINDOW, CLAIMERS, BACKLOG = 60, 5, 4, 500_000


async def measure(database_url: str) -> list[Figure]:
    """Throughput in the first and in the last five seconds of the minute."""
    fleet_queue.fill(database_url, BACKLOG)
    ours = await _held(database_url, _windows(database_url))
    raw_queue.fill(database_url, BACKLOG)
    raw = await _held(database_url, raw_queue.windows(database_url, CLAIMERS, SECONDS, WINDOW))
    return [
        Figure("held snapshot: first 5 s", ours[0], "tasks/s", raw[0], "pgbench"),
        Figure("held snapshot: last 5 s of a minute", ours[-1], "tasks/s", raw[-1], "pgbench"),
        Figure("held snapshot: last beside first, ours", ours[-1], "tasks/s", ours[0], "first 5 s"),
        Figure("held snapshot: last beside first, pgbench", raw[-1], "tasks/s", raw[0], "first 5 s"),
    ]


async def _held(database_url: str, work) -> list[float]:  # type: ignore[no-untyped-def]
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("set transaction isolation level repeatable read")
        await holder.execute("select count(*) from public.tenants")
        return await work


async def _windows(database_url: str) -> list[float]:
    started = await claimers.start("fleet", database_url, CLAIMERS)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as watcher:
        claimers.go(started)
        rates, before = [], await _claims(watcher)
        for _ in range(SECONDS // WINDOW):
            await asyncio.sleep(WINDOW)
            now = await _claims(watcher)
            rates.append((now - before) / WINDOW)
            before = now
    for claimer in started:
        claimer.kill()
        await claimer.wait()
    return rates


async def _claims(watcher: psycopg.AsyncConnection) -> int:
    row = await (await watcher.execute("select last_value from kernel.fencing_token")).fetchone()
    assert row
    return row[0]
