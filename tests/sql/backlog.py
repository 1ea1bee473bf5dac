"""A backlog put there by plain SQL, and what a call costs against it."""

import json
from typing import Any
from uuid import UUID

import psycopg

POD_ID = UUID(int=7)
NEXT_TASK = "select * from public.next_task(%(pod_id)s, %(queues)s, 60, %(done)s)"
_BURST = """
insert into public.todolist (tenant_id, task_id, activity_id, name, iteration, status, agent_orch, agent_mode,
    instruction, input, candidate_groups, priority, fair_rank, attempt, max_attempts, timeout_seconds, created_at)
select 'acme', kernel.new_id(), 'work', 'work', 1, 'PENDING', 'echo', 'complete', '', '{}', '[]', 3,
    (extract(epoch from kernel.now()) * 1000000000)::bigint + 1000 * n, 0, 3, 900, kernel.now()
from generate_series(1, %s) n
"""


def burst(owner: psycopg.Connection, number: int) -> None:
    """Add `number` tasks of acme to the queue echo; nobody tells the planner."""
    owner.execute(_BURST, [number])


def next_task(connection: psycopg.Connection, done: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """Claim a task of the queue echo over `connection`, which keeps its plans; returns its fields."""
    cursor = connection.execute(NEXT_TASK, _arguments(done))
    row = cursor.fetchone()
    return dict(zip([column.name for column in cursor.description or []], row, strict=True)) if row else None


def buffers_of_next_task(connection: psycopg.Connection) -> int:
    """The pages of tables and indexes that one claim touches; the claim is made."""
    (answer,) = (
        connection.execute(f"explain (analyze, buffers, format json) {NEXT_TASK}", _arguments(None)).fetchone() or ()
    )
    plan = answer[0]["Plan"]
    assert plan["Actual Rows"] == 1, "the claim found nothing"
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def full_scans(connection: psycopg.Connection) -> int:
    """How often todolist was read from end to end, by `connection` up to now or by others up to a while ago."""
    connection.execute("select pg_stat_force_next_flush()")
    connection.execute("select pg_stat_clear_snapshot()")
    (scans,) = (
        connection.execute("select seq_scan from pg_stat_user_tables where relname = 'todolist'").fetchone() or ()
    )
    return scans


def _arguments(done: dict[str, Any] | None) -> dict[str, Any]:
    return {"pod_id": POD_ID, "queues": json.dumps(["echo"]), "done": done and json.dumps(done)}
