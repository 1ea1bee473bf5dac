"""The cost of a claim does not depend on what the planner last heard of the table."""

from collections.abc import Iterator

import psycopg
import pytest
from backlog import buffers_of_next_task, burst, full_scans, next_task
from fixture_types import Pod, StartPod
from instance_steps import agent_task, model_call, step
from psycopg.conninfo import make_conninfo

from kernel.embedded import EmbeddedPostgres
from kernel.functions import Kernel

BACKLOG = 100_000
CLAIM = """select t.tenant_id, t.task_id from public.todolist t
    where t.status = 'PENDING' and t.available_at is null and t.agent_orch = 'echo' and t.priority = 3
    and t.fair_rank >= 0 order by t.priority desc, t.fair_rank, t.task_id limit 1 for no key update skip locked"""


@pytest.fixture(scope="module")
def burst_after_idling(server: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """A session that made its plans on an empty queue, into which a burst came; nobody has analysed the table."""
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute("create database claim_plans template fleet_template")
        with psycopg.connect(make_conninfo(server.url, dbname="claim_plans"), autocommit=True) as session:
            idle(session)
            burst(session, BACKLOG)
            yield session
        superuser.execute("drop database claim_plans with (force)")


def idle(session: psycopg.Connection) -> None:
    """Claim from an empty queue until every plan is a cached one."""
    for _ in range(12):
        assert next_task(session) is None


def hide_indexes(session: psycopg.Connection, *names: str) -> None:
    """Make the planner overlook these indexes; they stay, as the functions may ask them how much was read."""
    session.execute("update pg_index set indisvalid = false where indexrelid = any (%s::regclass[])", [list(names)])


def plan_of_claim(session: psycopg.Connection) -> str:
    """The plan of the select that finds the next task, under the settings of next_task."""
    (settings,) = session.execute("select proconfig from pg_proc where proname = 'next_task'").fetchone() or ()
    with session.transaction(force_rollback=True):
        for name, value in (setting.split("=", 1) for setting in settings):
            session.execute("select set_config(%s, %s, true)", [name, value.strip('"')])
        return "\n".join(line for (line,) in session.execute(f"explain {CLAIM}"))  # type: ignore[arg-type]


def test_the_next_task_is_found_at_the_head_of_the_index(burst_after_idling: psycopg.Connection) -> None:
    plan = plan_of_claim(burst_after_idling)
    assert "Index Scan using todolist_ready on" in plan
    assert "Sort" not in plan and "Seq Scan" not in plan


def test_the_plan_without_the_index_would_be_seen(burst_after_idling: psycopg.Connection) -> None:
    with burst_after_idling.transaction(force_rollback=True):
        hide_indexes(burst_after_idling, "todolist_ready")
        assert "Index Scan using todolist_ready on" not in plan_of_claim(burst_after_idling)


def test_claims_and_ends_after_a_burst_never_read_the_whole_table(burst_after_idling: psycopg.Connection) -> None:
    before = full_scans(burst_after_idling)
    done = None
    for _ in range(20):
        task = next_task(burst_after_idling, done)
        assert task is not None
        done = {"outcome": "done", "fencing_token": task["fencing_token"], "tenant_id": "acme"}
        done["task_id"] = str(task["task_id"])
    assert full_scans(burst_after_idling) == before


def test_a_claim_touches_few_pages_however_long_the_queue(burst_after_idling: psycopg.Connection) -> None:
    (pages,) = burst_after_idling.execute("select pg_relation_size('todolist') / 8192").fetchone() or ()
    touched = sorted(buffers_of_next_task(burst_after_idling) for _ in range(5))
    assert pages > 2000
    assert touched[2] < 150


def test_a_claim_that_reads_everything_would_be_seen(owner: psycopg.Connection) -> None:
    owner.execute("alter function public.next_task reset all")
    hide_indexes(owner, "todolist_ready", "todolist_queue_of_tenant")
    idle(owner)
    burst(owner, 5000)
    before = full_scans(owner)
    assert buffers_of_next_task(owner) > 150
    assert full_scans(owner) > before


async def live_through(api: Kernel, pod: Pod) -> None:
    """Call every function that an instance and its tasks need in their life."""
    started = await api.start_instance("order", 1, "ann@acme.test", step(0, agent_task("a", priority=5)))
    task = await pod.claim()
    await pod.kernel.renew_lease(task, 60)
    await pod.kernel.record_call(task, model_call())
    await pod.kernel.report_progress(task, "half")
    await pod.end(task, "draft", output={})
    await api.submit_task(task.task_id, {}, step(1, agent_task("b", priority=5)))
    await pod.end(await pod.claim(), "released")
    await pod.end(await pod.claim(), "failed", reason="busy", retryable=True)
    await api.cancel_instance(started.proc_inst_id, "")
    await api.enqueue_tasks([agent_task(priority=5)])
    await pod.end(await pod.claim())


async def test_no_call_in_a_tasks_life_reads_the_whole_table_after_a_burst(
    owner: psycopg.Connection, start_pod: StartPod, kernel_api: Kernel, deployed: str
) -> None:
    pod = await start_pod()
    for _ in range(8):
        await live_through(kernel_api, pod)
    burst(owner, 20_000)
    scans = []
    for _ in range(2):
        for kernel in (kernel_api, pod.kernel):
            await kernel.transport._connection.execute("select pg_stat_force_next_flush()")  # type: ignore[attr-defined]
        scans.append(full_scans(owner))
        await live_through(kernel_api, pod)
    assert scans[0] == scans[1]
