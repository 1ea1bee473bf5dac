"""A real PostgreSQL for the whole run, a fresh database for each test, and a fake clock.

`database_url` is a database with init.sql applied and the tenants acme and globex. `kernel_api` speaks for
user:ann@acme.test, `kernel_pod` for a pod; `start_pod` makes pods that claim, `enqueue` makes tasks for them.
The run fails when the server's log names a deadlock.
"""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from task_outcomes import outcome

from kernel.embedded import EmbeddedPostgres
from kernel.functions import Kernel
from kernel.migrate import create_tenant, migrate
from kernel.models import ClaimedTask, Json
from kernel.postgres import PostgresConnection

TEMPLATE = "fleet_template"
DEADLOCK_ON_PURPOSE = "deadlock_on_purpose"  # the one database in which a deadlock is no defect
SERVER_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "1h",
    "deadlock_timeout": "100ms",
    "log_line_prefix": "%m [%p] %d ",
}
_numbers = count(1)


@dataclass
class FleetPod:
    """A registered pod with a connection of its own."""

    pod_id: UUID
    kernel: Kernel
    queues: list[str]
    lease_seconds: int = 60

    async def next(self, done: Json | None = None) -> ClaimedTask | None:
        """End the last task (`done` as `outcome` makes it), then claim the next."""
        return await self.kernel.next_task(self.pod_id, self.queues, self.lease_seconds, done)

    async def claim(self) -> ClaimedTask:
        """Claim a task that must be there."""
        task = await self.next()
        assert task is not None, "the queue is empty"
        return task

    async def end(self, task: ClaimedTask, kind: str = "done", **fields: Any) -> None:
        """End `task` without claiming another."""
        await self.kernel.next_task(self.pod_id, [], self.lease_seconds, outcome(task, kind, **fields))


def deadlocks(log: str) -> list[str]:
    """The lines of a server's log that name a deadlock nobody wanted."""
    return [
        line for line in log.splitlines() if "deadlock detected" in line and f"] {DEADLOCK_ON_PURPOSE} " not in line
    ]


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedPostgres]:
    """The server of this run. Database fleet_template is what each test's database is copied from."""
    # Not below pytest's own folder: as root the server is another user, and each pytest run closes that folder to it.
    with (
        tempfile.TemporaryDirectory(prefix="fleet-test-") as folder,
        EmbeddedPostgres(Path(folder) / "data") as embedded,
    ):
        with psycopg.connect(embedded.url, autocommit=True) as superuser:
            for name, value in SERVER_SETTINGS.items():
                superuser.execute(f"alter system set {name} = '{value}'")
            superuser.execute("select pg_reload_conf()")
            superuser.execute(f"create database {TEMPLATE}")
        template_url = make_conninfo(embedded.url, dbname=TEMPLATE)
        migrate(template_url)
        create_tenant(template_url, "acme", "Acme")
        create_tenant(template_url, "globex", "Globex")
        yield embedded
        assert deadlocks(Path(embedded.log).read_text()) == []


@pytest.fixture
def database_url(server: EmbeddedPostgres) -> Iterator[str]:
    """A fresh database of this test's own."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute(f"create database {name} template {TEMPLATE}")
        yield make_conninfo(server.url, dbname=name)
        # A connection that was closed a moment ago has a process that is still leaving; DROP would wait 100 ms for it.
        for _ in range(100):
            if not superuser.execute("select from pg_stat_activity where datname = %s", [name]).fetchone():
                break
        superuser.execute(f"drop database {name} with (force)")


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection]:
    """The role that applied init.sql: it sees every tenant and may call everything."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def set_clock(owner: psycopg.Connection) -> Callable[[float], datetime]:
    """Moves this database's clock to so many seconds from the real time; returns what it says then."""

    def move(seconds: float) -> datetime:
        row = owner.execute("select * from kernel.set_clock(make_interval(secs => %s))", [seconds]).fetchone()
        assert row
        return row[0]

    return move


@pytest.fixture
async def kernel_api(database_url: str) -> AsyncIterator[Kernel]:
    """The kernel as the execution API has it, for Ann of acme."""
    connection = PostgresConnection(database_url, role="fleet_api")
    yield Kernel(connection, {"tenant_id": "acme", "actor": "user:ann@acme.test"})
    await connection.close()


@pytest.fixture
async def kernel_pod(database_url: str) -> AsyncIterator[Kernel]:
    """The kernel as a pod has it."""
    connection = PostgresConnection(database_url, role="fleet_pod")
    yield Kernel(connection)
    await connection.close()


@pytest.fixture
async def start_pod(database_url: str) -> AsyncIterator[Callable[..., Awaitable[FleetPod]]]:
    """Starts pods: `await start_pod(serves=("echo",), name="pod-1")`."""
    pods: list[PostgresConnection] = []

    async def start(serves: tuple[str, ...] = ("echo",), name: str = "pod") -> FleetPod:
        pods.append(PostgresConnection(database_url, role="fleet_pod"))
        pod = FleetPod(uuid4(), Kernel(pods[-1]), list(serves))
        await pod.kernel.register_pod(pod.pod_id, name, [{"id": s, "description": s} for s in serves], None)
        return pod

    yield start
    for connection in pods:
        await connection.close()


@pytest.fixture
def enqueue(kernel_api: Kernel) -> Callable[..., Awaitable[list[UUID]]]:
    """Enqueues tasks that stand alone: `await enqueue(3, tenant="globex", priority=5)`; other fields as in
    kernel.insert_tasks of init.sql."""

    async def add(number: int = 1, *, tenant: str = "acme", **fields: Any) -> list[UUID]:
        task = {"activity_id": "work", "agent_orch": "echo", **fields}
        return await kernel_api.as_tenant(tenant, f"user:ann@{tenant}.test").enqueue_tasks([task] * number)

    return add
