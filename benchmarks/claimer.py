"""A claimer process: `python -m benchmarks.claimer DATABASE_URL [MOST]`.

Works WARM_UP tasks off, so that its session has made its plans, as that of a pod that has run for a while. Says so,
waits for a line, then ends the last task and claims the next until the queue is empty or it has ended MOST, the first
ones included. Prints how many it ended after that line.
"""

import asyncio
import sys
from uuid import UUID, uuid4

from benchmarks.ended import ended
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

WARM_UP = 5


async def claim_all(database_url: str, most: int) -> None:
    """Work up to `most` tasks of the queue "noop" off through the kernel."""
    connection = PostgresConnection(database_url, "fleet_pod")
    kernel, pod_id = Kernel(connection), uuid4()
    await _work(kernel, pod_id, WARM_UP)
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(await _work(kernel, pod_id, most - WARM_UP), flush=True)
    await connection.close()


async def _work(kernel: Kernel, pod_id: UUID, most: int) -> int:
    count, done = 0, None
    while task := await kernel.next_task(pod_id, ["noop"] if count < most else [], 30, done):
        done = ended(task)
        count += 1
    return count


if __name__ == "__main__":
    asyncio.run(claim_all(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else sys.maxsize))
