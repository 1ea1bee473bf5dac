"""A claimer process: `python -m benchmarks.claimer fleet|raw DATABASE_URL [MOST]`.

Works WARM_UP tasks off, so that its session has made its plans, as that of a pod that has run for a while. Says so,
waits for a line, then ends the last task and claims the next until the queue is empty or it has ended MOST, the first
ones included. Prints how many it ended after that line. fleet: our queue, through the kernel; raw: the plain table of
raw_queue, through the kernel's connection.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from uuid import uuid4

from benchmarks.ended import ended
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

WARM_UP = 5
Work = Callable[[int], Awaitable[int]]


async def claim_all(queue: str, database_url: str, most: int) -> None:
    """Work up to `most` tasks of the queue off, the first ones included."""
    connection = PostgresConnection(database_url, "fleet_pod" if queue == "fleet" else None)
    work = _fleet(connection) if queue == "fleet" else _raw(connection)
    await work(WARM_UP)
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(await work(most - WARM_UP), flush=True)
    await connection.close()


def _fleet(connection: PostgresConnection) -> Work:
    kernel, pod_id = Kernel(connection), uuid4()

    async def work(most: int) -> int:
        count, done = 0, None
        while task := await kernel.next_task(pod_id, ["noop"] if count < most else [], 30, done):
            done = ended(task)
            count += 1
        return count

    return work


def _raw(connection: PostgresConnection) -> Work:
    done = None

    async def work(most: int) -> int:
        nonlocal done
        count = 0
        while count < most and (rows := await connection.call("raw_next", None, done=done)):
            done = rows[0]["id"]
            count += 1
        return count

    return work


if __name__ == "__main__":
    asyncio.run(claim_all(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else sys.maxsize))
