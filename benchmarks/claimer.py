"""A claimer process: `python -m benchmarks.claimer DATABASE_URL`.

Connects and polls an empty queue once, as a pod that waits has done many times; says so, waits for a line, then ends
the last task and claims the next until the queue is empty, and prints how many it ended.
"""

import asyncio
import sys
from uuid import uuid4

from kernel.functions import Kernel
from kernel.postgres import PostgresConnection


async def claim_all(database_url: str) -> None:
    """Work the queue "noop" off through the kernel."""
    connection = PostgresConnection(database_url, "fleet_pod")
    kernel, pod_id = Kernel(connection), uuid4()
    await kernel.next_task(pod_id, ["empty"], 30)
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    ended, done = 0, None
    while task := await kernel.next_task(pod_id, ["noop"], 30, done):
        done = {
            "tenant_id": task.tenant_id,
            "task_id": str(task.task_id),
            "fencing_token": task.fencing_token,
            "outcome": "done",
            "output": {},
        }
        ended += 1
    print(ended, flush=True)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(claim_all(sys.argv[1]))
