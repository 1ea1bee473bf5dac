"""What the fewest statements cost that end a task and claim the next with a fence and two events: 16 claimers, beside
pgbench and beside ours.

The function has no fairness, no floors, no upkeep, no limits and no timing in its events, and nobody listens to them.
It stands in two layouts: on todolist with three of its indexes, and with the queue's state in a narrow table of its own
while the task is in a todolist of two indexes. What both miss of pgbench, no change to next_task can win.
"""

import statistics

import psycopg

from benchmarks import claimers, databases, fleet_queue, raw_queue
from benchmarks.claimer import WARM_UP
from benchmarks.figures import Figure

TASKS, CLAIMERS, ROUNDS = 10_000, 16, 3

_FUNCTION = """create or replace function public.next_task(
    p_pod_id uuid, p_queues jsonb, p_lease_seconds int, p_done jsonb default null)
returns setof public.claimed_task
language plpgsql security definer set search_path = '' set enable_seqscan = off set enable_bitmapscan = off
set enable_sort = off set plan_cache_mode = force_generic_plan as $$
declare
    v_now timestamptz := clock_timestamp();
    v_tenant text;
    v_task_id uuid;
    v_name text;
    v_queue record;
    v_task public.claimed_task;
begin
    if p_done is not null then
        {end_it}
        if not found then
            raise 'stale';
        end if;
    end if;
    {claim}
    insert into public.events (tenant_id, proc_inst_id, task_id, event_type, actor, message, "timestamp")
    select e.tenant, null, e.task_id, e.what::public.event_type, 'pod', e.name, v_now
    from (values (v_tenant, v_task_id, 'TASK_COMPLETED', v_name),
                 (v_task.tenant_id, v_task.task_id, 'TASK_CLAIMED', v_task.name)) e (tenant, task_id, what, name)
    where e.tenant is not null;
    if v_task.tenant_id is not null then
        return next v_task;
    end if;
end $$"""
_COLUMNS = """t.tenant_id, t.task_id, t.proc_inst_id, t.process_definition_id, t.activity_id, t.name, t.iteration,
    t.engine_token, t.agent_orch, null::jsonb, t.agent_id, t.agent_mode, t.instruction, t.input, t.output_schema,
    {0}.attempt, t.max_attempts, t.timeout_seconds, {0}.fencing_token, {0}.lease_expires_at, t.created_at,
    {0}.started_at into v_task"""
_IS_DONE = """{0}.tenant_id = p_done ->> 'tenant_id' and {0}.task_id = (p_done ->> 'task_id')::uuid
    and {0}.fencing_token = (p_done ->> 'fencing_token')::bigint"""
_TAKEN = """pod_id = p_pod_id, started_at = v_now, fencing_token = nextval('kernel.fencing_token'),
    lease_expires_at = v_now + p_lease_seconds * interval '1 second'"""

_ONE_TABLE = _FUNCTION.format(
    end_it=f"""update public.todolist t set
        status = 'DONE', output = p_done -> 'output', finished_at = v_now, lease_expires_at = null
        where {_IS_DONE.format("t")} and t.status::text = 'IN_PROGRESS'
        returning t.tenant_id, t.task_id, t.name into v_tenant, v_task_id, v_name;""",
    claim=f"""update public.todolist t set status = 'IN_PROGRESS', attempt = t.attempt + 1, {_TAKEN}
    where t.ctid = (
        select w.ctid from public.todolist w
        where w.status = 'PENDING' and w.available_at is null and w.agent_orch = p_queues ->> 0
        order by w.priority desc, w.fair_rank, w.task_id limit 1 for no key update skip locked)
    returning {_COLUMNS.format("t")};""",
)
_TWO_TABLES = _FUNCTION.format(
    end_it=f"""delete from kernel.least q where q.running and {_IS_DONE.format("q")}
        returning q.tenant_id, q.task_id into v_tenant, v_task_id;
        update public.todolist t set status = 'DONE', output = p_done -> 'output', finished_at = v_now
        where t.tenant_id = v_tenant and t.task_id = v_task_id returning t.name into v_name;""",
    claim=f"""update kernel.least q set running = true, attempt = q.attempt + 1, {_TAKEN}
    where q.ctid = (
        select w.ctid from kernel.least w where not w.running and w.agent_orch = p_queues ->> 0
        order by w.priority desc, w.fair_rank, w.task_id limit 1 for no key update skip locked)
    returning q.* into v_queue;
    if found then
        select {_COLUMNS.format("v_queue")}
        from public.todolist t where t.tenant_id = v_queue.tenant_id and t.task_id = v_queue.task_id;
    end if;""",
)
_KEPT = ["todolist_pkey", "todolist_ready", "todolist_running"]
_NARROW = """create table kernel.least (
    tenant_id text not null, task_id uuid not null, agent_orch text not null, priority smallint not null,
    fair_rank bigint not null, running boolean not null default false, attempt int not null default 0,
    fencing_token bigint, pod_id uuid, lease_expires_at timestamptz, started_at timestamptz,
    primary key (tenant_id, task_id)) with (fillfactor = 70);
create index on kernel.least (agent_orch, priority desc, fair_rank, task_id) where not running;
create index on kernel.least (fencing_token) where running"""


async def measure(database_url: str) -> list[Figure]:
    """16 claimers on both layouts, ours and pgbench take turns; medians."""
    one, two = (databases.create(database_url, f"least-{layout}") for layout in ("one-table", "two-tables"))
    _strip(one, _KEPT, _ONE_TABLE)
    _strip(two, ["todolist_pkey", "todolist_once_per_activity"], _NARROW, _TWO_TABLES)
    rates: dict[str, list[float]] = {"pgbench": [], "ours": [], "one": [], "two": []}
    for _ in range(ROUNDS):
        raw_queue.fill(database_url, TASKS)
        rates["pgbench"].append(await raw_queue.drain(database_url, TASKS, CLAIMERS))
        fleet_queue.fill(database_url, TASKS)
        rates["ours"].append(await fleet_queue.drain(database_url, TASKS, CLAIMERS))
        rates["one"].append(await _drain(one))
        rates["two"].append(await _drain(two))
    rate = {name: statistics.median(values) for name, values in rates.items()}
    return [
        Figure("the least with 16 claimers, one table", rate["one"], "tasks/s", rate["pgbench"], "pgbench"),
        Figure("the least with 16 claimers, two tables", rate["two"], "tasks/s", rate["pgbench"], "pgbench"),
        Figure("drain with 16 claimers, beside the least", rate["ours"], "tasks/s", rate["one"], "the least"),
    ]


def _strip(database_url: str, kept: list[str], *statements: str) -> None:
    """Take away what the least has not: indexes but `kept`, the trigger on events, our function."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        for (name,) in owner.execute(
            "select indexname from pg_indexes where tablename = 'todolist' and indexname <> all (%s)", [kept]
        ).fetchall():
            owner.execute(f"drop index public.{name}")
        owner.execute("alter table public.events disable trigger events_are_announced")
        for statement in statements:
            owner.execute(statement)


async def _drain(database_url: str) -> float:
    """Tasks per second; each is claimed and ended once, or this raises RuntimeError."""
    fleet_queue.fill(database_url, TASKS)
    with psycopg.connect(database_url, autocommit=True) as owner:
        if owner.execute("select to_regclass('kernel.least')").fetchone() != (None,):
            owner.execute("truncate kernel.least")
            owner.execute(
                "insert into kernel.least (tenant_id, task_id, agent_orch, priority, fair_rank) "
                "select tenant_id, task_id, agent_orch, priority, fair_rank from public.todolist"
            )
            owner.execute("vacuum analyze kernel.least")
    rate, ended = await claimers.rate("fleet", database_url, CLAIMERS)
    if ended + CLAIMERS * WARM_UP != TASKS:
        raise RuntimeError(f"not exactly once: {TASKS} tasks, {ended} ended")
    return rate
