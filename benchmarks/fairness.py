"""How long others wait behind a flood: a tenant's task behind 100,000 tasks of another tenant, and a task of the lowest
priority, once it has waited a minute, behind a stream of the highest. Counted in claims; drawn to docs/.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

import psycopg

from benchmarks import fleet_queue
from benchmarks.ended import ended
from benchmarks.figures import Figure
from benchmarks.line_chart import chart
from benchmarks.pod_process import TENANT
from kernel.functions import Kernel
from kernel.models import ClaimedTask, Json
from kernel.postgres import PostgresConnection

PODS, FLOOD, BATCH, LATE, APART = 4, 100_000, 1000, 60, 25
Waits = list[tuple[float, float]]  # (claims made before a task came, claims until its own)
_PICTURES = Path(__file__).resolve().parent.parent / "docs"


async def measure(database_url: str) -> list[Figure]:
    """Claims by others between the coming of a task and its claim; the order by age alone beside it."""
    tenants = await _measured(database_url, _behind_a_flood)
    with psycopg.connect(database_url, autocommit=True) as owner:
        priorities = await _measured(database_url, partial(_behind_a_higher_priority, owner))
    _draw(tenants, priorities)
    worst_tenant = max(waited for _, waited in tenants)
    return [
        Figure("behind another tenant's flood of 100,000, worst", worst_tenant / PODS, "tasks per pod", 1, "one task"),
        Figure(
            "lowest priority after its minute behind the highest, worst",
            max(waited for _, waited in priorities),
            "claims",
        ),
    ]


async def _measured(database_url: str, part: Callable[[Kernel, "Pods"], Awaitable[Waits]]) -> Waits:
    fleet_queue.fill(database_url, 0)
    connection, pods = PostgresConnection(database_url, "fleet_api"), Pods(database_url)
    try:
        return await part(Kernel(connection), pods)
    finally:
        await pods.close()
        await connection.close()


class Pods:
    """Four connections that claim in turn, each ending its last task as it claims the next."""

    def __init__(self, database_url: str):
        self._connections = [PostgresConnection(database_url, "fleet_pod") for _ in range(PODS)]
        self._pods = [(Kernel(connection), uuid4()) for connection in self._connections]
        self._done: list[Json | None] = [None] * PODS
        self.claims = 0

    async def claim(self) -> ClaimedTask:
        """What the next pod in turn claims."""
        turn = self.claims % PODS
        kernel, pod_id = self._pods[turn]
        task = await kernel.next_task(pod_id, ["noop"], 3600, self._done[turn])
        assert task is not None, "the flood is over"
        self._done[turn] = ended(task)
        self.claims += 1
        return task

    async def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            await connection.close()


async def _behind_a_flood(api: Kernel, pods: Pods) -> Waits:
    for _ in range(FLOOD // BATCH):
        await _enqueue(api, f"{TENANT}-1", BATCH)
    return [await _wait_of_one(api, pods, f"{TENANT}-2") for _ in range(LATE)]


async def _behind_a_higher_priority(owner: psycopg.Connection, api: Kernel, pods: Pods) -> Waits:
    waits: Waits = []
    for number in range(1, LATE + 1):
        [low] = await _enqueue(api, f"{TENANT}-1", 1, 1)
        owner.execute("select * from kernel.set_clock(%s * interval '61 seconds')", [number])
        await _enqueue(api, f"{TENANT}-1", BATCH, 5)
        waits.append(await _until(pods, low))
    return waits


async def _wait_of_one(api: Kernel, pods: Pods, tenant: str) -> tuple[float, float]:
    for _ in range(APART):
        await pods.claim()
    [task_id] = await _enqueue(api, tenant, 1)
    return await _until(pods, task_id)


async def _until(pods: Pods, task_id: object) -> tuple[float, float]:
    came = pods.claims
    while (await pods.claim()).task_id != task_id:
        pass
    return came, pods.claims - came - 1


async def _enqueue(api: Kernel, tenant: str, number: int, priority: int = 3) -> list[object]:
    task = {"activity_id": "noop", "agent_orch": "noop", "priority": priority}
    return list(await api.as_tenant(tenant, "user:bench").enqueue_tasks([task] * number))


def _draw(tenants: Waits, priorities: Waits) -> None:
    first = tenants[0][0]
    series = {
        "with fair ranks": [(came - first, waited) for came, waited in tenants],
        "by age alone": [(came - first, float(FLOOD - came)) for came, _ in tenants],
    }
    (_PICTURES / "fairness-tenants.svg").write_text(
        chart("A tenant's task behind 100,000 of another tenant", "claims since the flood", "claims waited", series)
    )
    start = priorities[0][0]
    title = "A task of priority 1 that has waited a minute, behind a stream of priority 5"
    waits = {"priority 1": [(came - start, waited) for came, waited in priorities]}
    (_PICTURES / "fairness-priorities.svg").write_text(
        chart(title, "claims since the stream began", "claims waited", waits)
    )
