"""What a pod adds to a no-op task with a warm child process, beside the same tasks claimed and ended through the kernel
alone: handing the task to the child and back, checking the answer, the lease, the desk.
"""

import time
from uuid import uuid4

import psycopg

from benchmarks.ended import ended
from benchmarks.figures import Figure
from benchmarks.pod_process import TENANT, PodProcess
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

TASKS = 1000


async def measure(database_url: str) -> list[Figure]:
    """1000 tasks by one pod, then 1000 by one bare claimer; each from its first claim to its last end."""
    async with PodProcess(database_url) as pod:
        await _enqueue(pod.kernel, "warm", 1)
        await pod.all_finished(1)
        await _enqueue(pod.kernel, "pod", TASKS)
        await pod.all_finished(TASKS + 1)
    await _claim_bare(database_url)
    with_pod, bare = await _milliseconds(database_url, "pod"), await _milliseconds(database_url, "bare")
    return [
        Figure("no-op task through a pod", with_pod, "ms", bare, "kernel alone"),
        Figure("pod overhead per no-op task", with_pod - bare, "ms"),
    ]


async def _enqueue(kernel: Kernel, activity: str, number: int) -> None:
    await kernel.enqueue_tasks([{"activity_id": activity, "agent_orch": "clock"}] * number)


async def _claim_bare(database_url: str) -> None:
    api, claims = PostgresConnection(database_url, "fleet_api"), PostgresConnection(database_url, "fleet_pod")
    await _enqueue(Kernel(api).as_tenant(TENANT, "user:bench"), "bare", TASKS)
    kernel, pod_id, done = Kernel(claims), uuid4(), None
    while task := await kernel.next_task(pod_id, ["clock"], 30, done):
        done = ended(task) | {"output": {"started_at": time.time()}}
    await api.close()
    await claims.close()


async def _milliseconds(database_url: str, activity: str) -> float:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as owner:
        cursor = await owner.execute(
            "select extract(epoch from max(finished_at) - min(started_at))::float8 from public.todolist "
            "where activity_id = %s",
            [activity],
        )
        row = await cursor.fetchone()
    assert row
    return row[0] / TASKS * 1000
