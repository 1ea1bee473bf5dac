"""A big table: 1,000,000 tasks waiting and 10,000,000 finished, beside a small one; then the same while a long report
reads, and while a session idles in a transaction.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from uuid import uuid4

import psycopg

from benchmarks import databases, fleet_queue
from benchmarks.figures import Figure, percentile
from benchmarks.pod_process import TENANT
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

PENDING, FINISHED, BATCH = 1_000_000, 10_000_000, 1_000_000
TASKS, CLAIMERS, CLAIMS, ROUNDS = 8_000, 4, 500, 5
BIG = ", 1M waiting and 10M finished"
_FINISHED = """insert into public.todolist (
    tenant_id, task_id, activity_id, name, iteration, status, agent_orch, agent_mode, instruction, input, output,
    candidate_groups, priority, fair_rank, attempt, max_attempts, timeout_seconds, fencing_token, created_at,
    started_at, finished_at)
select %s || '-' || (1 + n %% 4), lpad(to_hex(n), 32, '0')::uuid, 'noop', 'noop', 1, 'DONE', 'noop', 'complete', '',
    '{}', '{}', '[]', 3, 0, 1, 3, 900, 0, now(), now(), now() from generate_series(%s::int, %s::int) n"""


async def measure(database_url: str) -> list[Figure]:
    """Drain with four claimers and the time of a claim: big table, big table in use, each beside a small one.

    Both tables are there from the beginning and take turns, so that a slow minute of the machine is both of theirs.
    """
    small = databases.create(database_url, "table-size-small")
    _grow(database_url)
    drains: dict[str, list[float]] = defaultdict(list)
    claims: dict[str, list[list[float]]] = defaultdict(list)
    for _ in range(ROUNDS):
        for table, url in (("small", small), ("big", database_url)):
            if table == "small":
                fleet_queue.fill(small, CLAIMS)
            _checkpoint(url)
            claims[table].append(await _claims(url))
        for table, url, busy in (
            ("small", small, nullcontext),
            ("big", database_url, nullcontext),
            ("report", database_url, _report),
            ("idle", database_url, _idle_in_transaction),
        ):
            if table == "small":
                fleet_queue.fill(small, TASKS)
            _checkpoint(url)
            with busy(url):
                drains[table].append(await fleet_queue.drain_some(url, TASKS, CLAIMERS))
    drain = {table: statistics.median(rates) for table, rates in drains.items()}
    beside = "small table"
    names = {"big": BIG, "report": ", the same under a long report", "idle": ", the same beside an idle transaction"}
    return [
        *(Figure(f"drain{name}", drain[table], "tasks/s", drain["small"], beside) for table, name in names.items()),
        *(
            Figure(f"claim{BIG}, p{p}", _median_of(claims["big"], p), "ms", _median_of(claims["small"], p), beside)
            for p in (50, 95)
        ),
    ]


def _median_of(rounds: list[list[float]], p: int) -> float:
    return statistics.median(percentile(claims, p) for claims in rounds)


def _checkpoint(database_url: str) -> None:
    """Write what filling the table left to be written, so that nothing is measured beside it."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("checkpoint")


def _grow(database_url: str) -> None:
    fleet_queue.fill(database_url, PENDING)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("set session_replication_role = replica")  # foreign keys were checked by nobody's mistake here
        for first in range(1, FINISHED, BATCH):
            owner.execute(_FINISHED, [TENANT, first, min(first + BATCH - 1, FINISHED)])
        owner.execute("vacuum analyze public.todolist")
    _checkpoint(database_url)


async def _claims(database_url: str) -> list[float]:
    """Milliseconds of each claim over one connection."""
    connection, pod_id = PostgresConnection(database_url, "fleet_pod"), uuid4()
    kernel, taken = Kernel(connection), list[float]()
    for _ in range(CLAIMS):
        began = time.perf_counter()
        assert await kernel.next_task(pod_id, ["noop"], 3600) is not None
        taken.append((time.perf_counter() - began) * 1000)
    await connection.close()
    return taken


@contextmanager
def _report(database_url: str) -> Iterator[None]:
    """A REPEATABLE READ transaction that has read the queue and stays open."""
    with psycopg.connect(database_url) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("select count(*) from public.todolist where status = 'PENDING'")
        yield


@contextmanager
def _idle_in_transaction(database_url: str) -> Iterator[None]:
    """A session that has written and does not commit."""
    with psycopg.connect(database_url) as writer:
        writer.execute("update public.tenants set name = name where tenant_id = %s", [TENANT])
        yield
        writer.rollback()
