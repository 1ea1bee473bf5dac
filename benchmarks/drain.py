"""Drain of 10,000 no-op tasks: through the kernel (fenced, fair between four tenants, with events), beside pgbench on a
plain table, and beside one function on that table called by the kernel's client, which is the most that Python reaches
here. The three take turns three times; the median counts.
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
        pgbench: list[float] = []
        client: list[float] = []
        for _ in range(ROUNDS):
            raw_queue.fill(database_url, TASKS)
            pgbench.append(await raw_queue.drain(database_url, TASKS, claimers))
            raw_queue.fill(database_url, TASKS)
            client.append(await raw_queue.drain_by_client(database_url, TASKS, claimers))
            fleet_queue.fill(database_url, TASKS)
            ours.append(await fleet_queue.drain(database_url, TASKS, claimers))
        with_claimers = f"with {claimers} claimer{'s' if claimers > 1 else ''}"
        rate, plain, raw = (statistics.median(rates) for rates in (ours, client, pgbench))
        figures += [
            Figure(f"drain {with_claimers}", rate, "tasks/s", raw, "pgbench"),
            Figure(f"drain {with_claimers}, the same", rate, "tasks/s", plain, "one plain function, Python"),
            Figure(f"plain function and Python {with_claimers}", plain, "jobs/s", raw, "pgbench"),
        ]
    return figures
