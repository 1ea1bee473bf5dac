"""The cost of a claim does not depend on what the planner last heard of the table."""

from collections.abc import Iterator

import psycopg
import pytest
from backlog import buffers_of_next_task, burst, full_scans, next_task
from psycopg.conninfo import make_conninfo

from kernel.embedded import EmbeddedPostgres

BACKLOG = 100_000
CLAIM = """select t.tenant_id, t.task_id from public.todolist t
    where t.status = 'PENDING' and t.available_at is null and t.agent_orch = 'echo' and t.priority = 3 and t.fair_rank >= 0
    order by t.fair_rank, t.task_id limit 1 for no key update skip locked"""


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


def plan_of_claim(session: psycopg.Connection) -> str:
    """The plan of the select that finds the next task, under the settings of next_task."""
    (settings,) = session.execute("select proconfig from pg_proc where proname = 'next_task'").fetchone() or ()
    with session.transaction(force_rollback=True):
        for name, value in (setting.split("=", 1) for setting in settings):
            session.execute("select set_config(%s, %s, true)", [name, value.strip('"')])
        return "\n".join(line for (line,) in session.execute(f"explain {CLAIM}"))  # type: ignore[arg-type]


def test_the_next_task_is_found_at_the_head_of_the_index(burst_after_idling: psycopg.Connection) -> None:
    plan = plan_of_claim(burst_after_idling)
    assert "Index Scan using todolist_queue" in plan
    assert "Sort" not in plan and "Seq Scan" not in plan


def test_the_plan_without_the_index_would_be_seen(burst_after_idling: psycopg.Connection) -> None:
    with burst_after_idling.transaction(force_rollback=True):
        burst_after_idling.execute("drop index todolist_queue")
        assert "Index Scan using todolist_queue" not in plan_of_claim(burst_after_idling)


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


def test_a_full_scan_would_be_seen(owner: psycopg.Connection) -> None:
    owner.execute("alter function public.next_task reset all")
    idle(owner)
    burst(owner, 5000)
    before = full_scans(owner)
    for _ in range(5):
        assert next_task(owner) is not None
    assert full_scans(owner) > before
