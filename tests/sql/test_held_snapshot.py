"""A transaction that stays open keeps the dead versions of every finished task alive; claims do not read them."""

from statistics import median

import psycopg
from backlog import buffers_of_next_task, burst, next_task

FINISHED = 600


def finish_tasks(session: psycopg.Connection, number: int) -> None:
    """Claim and end `number` tasks as a pod does, each end together with the next claim."""
    done = None
    for _ in range(number):
        task = next_task(session, done)
        assert task is not None
        done = {"outcome": "done", "tenant_id": "acme", "fencing_token": task["fencing_token"]}
        done["task_id"] = str(task["task_id"])


def claim_costs(session: psycopg.Connection) -> float:
    """The pages that a claim of this session touches; one look from the head of the queue does not count."""
    return median(buffers_of_next_task(session) for _ in range(5))


def test_a_claim_under_a_held_snapshot_costs_the_same_after_hundreds_of_ends(
    owner: psycopg.Connection, database_url: str
) -> None:
    burst(owner, FINISHED + 100)
    with psycopg.connect(database_url) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("select count(*) from todolist")
        finish_tasks(owner, 20)
        early = claim_costs(owner)
        finish_tasks(owner, FINISHED)
        late = claim_costs(owner)
        with psycopg.connect(database_url, autocommit=True) as newcomer:
            assert buffers_of_next_task(newcomer) > early + FINISHED / 2, "nothing is left for a claim to trip over"
            assert claim_costs(newcomer) < early * 1.5 + 20
        assert holder.execute("select count(*) from todolist where status = 'PENDING'").fetchone() == (FINISHED + 100,)
    assert late < early * 1.5 + 20
