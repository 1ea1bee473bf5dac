"""Pick-up latency on an idle fleet: from the commit of an enqueue to the moment the orchestrator has its task.

Beside it, what LISTEN alone costs on the same server: from the commit of a NOTIFY to its arrival and one bare claim.
"""

import asyncio
import random
import time

import psycopg

from benchmarks.figures import Figure, percentile
from benchmarks.pod_process import PodProcess

SAMPLES = 200


async def measure(database_url: str) -> list[Figure]:
    """200 samples each, at random distances as requests come."""
    async with PodProcess(database_url) as pod:
        await _one(pod)  # the first task starts the child process; afterwards it is warm
        fleet = [await _one(pod) for _ in range(SAMPLES)]
    bare = await _bare(database_url)
    return [
        Figure(
            f"pick-up on an idle fleet, p{p}", percentile(fleet, p) * 1000, "ms", percentile(bare, p) * 1000, "LISTEN"
        )
        for p in (50, 95)
    ]


async def _one(pod: PodProcess) -> float:
    await asyncio.sleep(random.uniform(0.1, 0.3))
    [task_id] = await pod.kernel.enqueue_tasks([{"activity_id": "tick", "agent_orch": "clock"}])
    committed = time.time()
    task = await pod.finished(task_id)
    assert task.output is not None
    return max(task.output["started_at"] - committed, 0)


async def _bare(database_url: str) -> list[float]:
    connect = psycopg.AsyncConnection.connect
    async with (
        await connect(database_url, autocommit=True) as sender,
        await connect(database_url, autocommit=True) as listener,
    ):
        await listener.execute("create temporary table bare (id int primary key, status int)")
        await listener.execute("insert into bare select generate_series(1, %s), 0", [SAMPLES])
        await listener.execute("listen bare")
        seconds: list[float] = []
        for number in range(1, SAMPLES + 1):
            await asyncio.sleep(random.uniform(0.02, 0.06))
            await sender.execute("select pg_notify('bare', '')")
            committed = time.time()
            async for _ in listener.notifies(timeout=5, stop_after=1):
                pass
            await listener.execute("update bare set status = 1 where id = %s", [number])
            seconds.append(time.time() - committed)
        return seconds
