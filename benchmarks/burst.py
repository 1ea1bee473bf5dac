"""An empty queue, then 100,000 tasks at once: how fast they are enqueued, and how long a claim then takes.

The claiming connection has polled the empty queue before: a plan made then would sort the whole backlog.
"""

import time
from uuid import uuid4

import psycopg

from benchmarks import fleet_queue
from benchmarks.figures import Figure, percentile
from benchmarks.pod_process import TENANT
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

TASKS, BATCH, CLAIMS = 100_000, 1000, 500
_TASK = {"activity_id": "noop", "agent_orch": "noop"}


async def measure(database_url: str) -> list[Figure]:
    """Enqueue beside a plain multi-row INSERT; claims right after the burst beside claims from a small queue."""
    fleet_queue.fill(database_url, CLAIMS + 100)
    api, pod = PostgresConnection(database_url, "fleet_api"), PostgresConnection(database_url, "fleet_pod")
    claiming = Kernel(pod)
    small = await _claims(claiming)
    fleet_queue.fill(database_url, 0)
    for _ in range(20):
        assert await claiming.next_task(uuid4(), ["noop"], 30) is None
    began = time.perf_counter()
    for _ in range(TASKS // BATCH):
        await Kernel(api).as_tenant(TENANT, "user:bench").enqueue_tasks([_TASK] * BATCH)
    enqueued = TASKS / (time.perf_counter() - began)
    after_burst = await _claims(claiming)
    await api.close()
    await pod.close()
    return [
        Figure("enqueue in batches of 1000", enqueued, "tasks/s", _raw_insert(database_url), "plain INSERT"),
        *(
            Figure(
                f"claim after the burst, p{p}", percentile(after_burst, p), "ms", percentile(small, p), "small queue"
            )
            for p in (50, 95)
        ),
    ]


async def _claims(kernel: Kernel) -> list[float]:
    """Milliseconds of each claim."""
    pod_id, taken = uuid4(), []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        assert await kernel.next_task(pod_id, ["noop"], 30) is not None
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _raw_insert(database_url: str) -> float:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("create table raw_insert (id bigint generated always as identity primary key, name text, n int)")
        owner.execute("create index on raw_insert (n, id)")
        began = time.perf_counter()
        for _ in range(TASKS // BATCH):
            owner.execute("insert into raw_insert (name, n) select 'noop', n from generate_series(1, %s) n", [BATCH])
        return TASKS / (time.perf_counter() - began)
