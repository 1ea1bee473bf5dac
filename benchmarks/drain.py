"""Drain of 10,000 no-op tasks: through the kernel (fenced, fair between four tenants, with events), beside pgbench on a
plain table. The two take turns three times; the median counts.
"""

import statistics

from benchmarks import fleet_queue, raw_queue
from benchmarks.figures import Figure

TASKS, ROUNDS = 10_000, 3


async def measure(database_url: str) -> list[Figure]:
    """With 1, 4 and 16 claimers."""
    figures: list[Figure] = []
    for claimers in (1, 4, 16):
        ours: list[float] = []
        raw: list[float] = []
        for _ in range(ROUNDS):
            raw_queue.fill(database_url, TASKS)
            raw.append(await raw_queue.drain(database_url, TASKS, claimers))
            fleet_queue.fill(database_url, TASKS)
            ours.append(await fleet_queue.drain(database_url, TASKS, claimers))
        name = f"drain with {claimers} claimer{'s' if claimers > 1 else ''}"
        figures.append(Figure(name, statistics.median(ours), "tasks/s", statistics.median(raw), "pgbench"))
    return figures
