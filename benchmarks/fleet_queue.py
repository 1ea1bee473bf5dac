"""Our queue in benchmarks: filled with no-op tasks of four tenants, worked by claimer processes through the kernel."""

import asyncio
import sys
import time

import psycopg

from benchmarks.claimer import WARM_UP
from benchmarks.pod_process import TENANT

TENANTS = 4
_FILL = """insert into public.todolist (
    tenant_id, task_id, activity_id, name, iteration, status, agent_orch, agent_mode, instruction, input,
    candidate_groups, priority, fair_rank, attempt, max_attempts, timeout_seconds, created_at)
select %s || '-' || (1 + n %% %s), kernel.new_id(), 'noop', 'noop', 1, 'PENDING', 'noop', 'complete', '', '{}', '[]', 3,
    1000 * (n / %s), 0, 3, 900, kernel.now() from generate_series(0, %s - 1) n"""


def fill(database_url: str, tasks: int) -> None:
    """Empty the queue and fill it with `tasks` tasks; ranks as enqueuing in turn would give them."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("truncate public.todolist, public.events")
        owner.execute(
            "insert into public.agent_orch (id, description, first_seen_at, last_seen_at) "
            "values ('noop', '', now(), now()) on conflict do nothing"
        )
        owner.execute(_FILL, [TENANT, TENANTS, TENANTS, tasks])
        owner.execute("vacuum analyze public.todolist")


async def start_claimers(database_url: str, number: int, *most: str) -> list[asyncio.subprocess.Process]:
    """Start claimer processes; they are connected when this returns, and begin at `go`. `most`: tasks of each."""
    claimers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.claimer", database_url, *most,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(number)
    ]  # fmt: skip
    for claimer in claimers:
        assert await _line(claimer) == b"connected\n"
    return claimers


async def _line(claimer: asyncio.subprocess.Process) -> bytes:
    assert claimer.stdout is not None
    return await claimer.stdout.readline()


def go(claimers: list[asyncio.subprocess.Process]) -> None:
    """Let them begin."""
    for claimer in claimers:
        assert claimer.stdin is not None
        claimer.stdin.write(b"go\n")


async def drain(database_url: str, tasks: int, claimers: int) -> float:
    """Tasks per second of `claimers` processes that work off `tasks` tasks; checks that each ran exactly once."""
    rate, ended = await _rate(await start_claimers(database_url, claimers))
    _check_once(database_url, tasks, ended + claimers * WARM_UP)
    return rate


async def drain_some(database_url: str, tasks: int, claimers: int) -> float:
    """Tasks per second of `claimers` processes that together work off `tasks` of a longer queue."""
    rate, ended = await _rate(await start_claimers(database_url, claimers, str(tasks // claimers)))
    assert ended + claimers * WARM_UP == tasks, f"{ended} of {tasks} tasks were there"
    return rate


async def _rate(claimers: list[asyncio.subprocess.Process]) -> tuple[float, int]:
    began = time.perf_counter()
    go(claimers)
    ended = sum([int(await _line(claimer)) for claimer in claimers])
    seconds = time.perf_counter() - began
    for claimer in claimers:
        await claimer.wait()
    return ended / seconds, ended


def _check_once(database_url: str, tasks: int, ended: int) -> None:
    with psycopg.connect(database_url) as owner:
        done = owner.execute("select count(*) from public.todolist where status = 'DONE' and attempt = 1").fetchone()
        events = owner.execute(
            "select count(*), count(distinct (task_id, event_type)) from public.events where event_type in "
            "('TASK_CLAIMED', 'TASK_COMPLETED')"
        ).fetchone()
    if not (ended == tasks and done == (tasks,) and events == (2 * tasks, 2 * tasks)):
        raise RuntimeError(f"not exactly once: {tasks} tasks, {ended} ended, {done} done, {events} events")
