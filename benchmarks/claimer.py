"""A claimer process: `python -m benchmarks.claimer DATABASE_URL [MOST]`.

Connects and polls an empty queue once, as a pod that waits has done many times; says so, waits for a line, then ends
the last task and claims the next until the queue is empty or it has ended MOST, and prints how many it ended.
"""

import asyncio
import sys
from uuid import uuid4

from benchmarks.ended import ended
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection


async def claim_all(database_url: str, most: int) -> None:
    """Work up to `most` tasks of the queue "noop" off through the kernel."""
    connection = PostgresConnection(database_url, "fleet_pod")
    kernel, pod_id = Kernel(connection), uuid4()
    await kernel.next_task(pod_id, ["empty"], 30)
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    count, done = 0, None
    while task := await kernel.next_task(pod_id, ["noop"] if count < most else [], 30, done):
        done = ended(task)
        count += 1
    print(count, flush=True)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(claim_all(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else sys.maxsize))
