"""Our queue in benchmarks: filled with no-op tasks of four tenants, worked by claimer processes through the kernel."""

import psycopg

from benchmarks import claimers as claimer_processes
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


async def drain(database_url: str, tasks: int, claimers: int) -> float:
    """Tasks per second of `claimers` processes that work off `tasks` tasks; checks that each ran exactly once."""
    rate, ended = await claimer_processes.rate("fleet", database_url, claimers)
    _check_once(database_url, tasks, ended + claimers * WARM_UP)
    return rate


async def drain_some(database_url: str, tasks: int, claimers: int) -> float:
    """Tasks per second of `claimers` processes that together work off `tasks` of a longer queue."""
    rate, ended = await claimer_processes.rate("fleet", database_url, claimers, tasks // claimers)
    assert ended + claimers * WARM_UP == tasks, f"{ended} of {tasks} tasks were there"
    return rate


def _check_once(database_url: str, tasks: int, ended: int) -> None:
    with psycopg.connect(database_url) as owner:
        done = owner.execute("select count(*) from public.todolist where status = 'DONE' and attempt = 1").fetchone()
        events = owner.execute(
            "select count(*), count(distinct (task_id, event_type)) from public.events where event_type in "
            "('TASK_CLAIMED', 'TASK_COMPLETED')"
        ).fetchone()
    if not (ended == tasks and done == (tasks,) and events == (2 * tasks, 2 * tasks)):
        raise RuntimeError(f"not exactly once: {tasks} tasks, {ended} ended, {done} done, {events} events")
