"""The loop of a pod, over a real database and real child processes."""

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from starlette.applications import Starlette

from agent_pod.claiming.execution import Endpoints, Execution
from agent_pod.claiming.health import health_app
from agent_pod.claiming.keeper import Keeper
from agent_pod.claiming.pod import Pod
from agent_pod.metrics import PodMetrics
from agent_pod.run.current_task import Desk
from agent_pod.servers import LoopServer
from agent_pod.user_space.registry import read_orchestrators
from agent_pod.user_space.runner import Limits
from agent_pod.user_space.runners import Runners
from kernel.errors import DatabaseUnavailable
from kernel.functions import Kernel
from kernel.models import Task
from kernel.postgres import PostgresConnection

ORCHESTRATORS = Path(__file__).resolve().parents[3] / "orchestrators"


class RunningPod:
    """A pod at work in this loop."""

    def __init__(self, pod: Pod, metrics: PodMetrics, app: Starlette):
        self.pod, self.metrics, self.app = pod, metrics, app

    def outcomes(self, queue: str, outcome: str) -> float:
        return self.metrics.registry.get_sample_value(
            "task_outcomes_total", {"queue": queue, "outcome": outcome}
        ) or 0.0  # fmt: skip


@pytest.fixture
async def running_pod(database_url: str) -> AsyncIterator[Callable[[], Any]]:
    """`async with running_pod() as running`: a pod that serves echo and naughty; drained at the end."""

    @contextlib.asynccontextmanager
    async def run() -> AsyncIterator[RunningPod]:
        pod_id, desk, metrics = uuid4(), Desk(), PodMetrics()
        connection = PostgresConnection(database_url, "fleet_pod")
        declarations = read_orchestrators(ORCHESTRATORS, [])
        runners = Runners(declarations, Limits(1 << 20, 50, None), 4)
        keeper = Keeper(lambda: PostgresConnection(database_url, "fleet_pod"), pod_id, 30)
        execution = Execution(Kernel(connection), desk, keeper, runners, Endpoints("http://m", "http://t", "model"))
        pod = Pod(pod_id, list(declarations), connection, execution, keeper, metrics, 30, 2.0)
        serves = [{"id": name, "description": ""} for name in declarations]
        await Kernel(connection).register_pod(pod_id, "in-loop", serves, None)
        keeper.start()
        working = asyncio.create_task(pod.run())
        yield RunningPod(pod, metrics, health_app(pod, metrics))
        pod.drain()
        await working
        await asyncio.to_thread(keeper.stop)
        await runners.close()
        await connection.close()

    yield run


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not happen within ten seconds")


async def ended(kernel_api: Kernel, task_id: UUID) -> Task:
    async with asyncio.timeout(30):
        while True:
            task = await kernel_api.get_task(task_id)
            if task and task.status in ("DONE", "FAILED", "CANCELLED"):
                return task
            await asyncio.sleep(0.01)


async def test_tasks_run_one_after_another_and_are_counted(running_pod: Any, enqueue: Any, kernel_api: Kernel) -> None:
    async with running_pod() as running:
        ids = await enqueue(5, input={"a": 1}) + await enqueue(1, agent_orch="naughty", input={"do": "refuse"})
        tasks = [await ended(kernel_api, task_id) for task_id in ids]
    assert [task.status for task in tasks] == ["DONE"] * 5 + ["FAILED"]
    assert tasks[0].output == {"echo": {"a": 1}}
    spans = sorted((task.started_at, task.finished_at) for task in tasks)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert (running.outcomes("echo", "done"), running.outcomes("naughty", "failed")) == (5, 1)


async def test_queues_of_one_pod_take_turns(running_pod: Any, enqueue: Any, kernel_api: Kernel, start_pod: Any) -> None:
    await start_pod(serves=("echo", "naughty"))
    ids = await enqueue(4) + await enqueue(4, agent_orch="naughty", input={"do": "answer"})
    async with running_pod():
        tasks = [await ended(kernel_api, task_id) for task_id in ids]
    order = [task.agent_orch for task in sorted(tasks, key=lambda task: task.started_at)]
    assert order in (["echo", "naughty"] * 4, ["naughty", "echo"] * 4)


async def test_an_output_that_does_not_fit_its_schema_fails_the_task_and_is_kept(
    running_pod: Any, enqueue: Any, kernel_api: Kernel
) -> None:
    schema = {"type": "object", "properties": {"echo": {"type": "string"}}, "required": ["echo"]}
    async with running_pod():
        [task_id] = await enqueue(output_schema=schema, max_attempts=1)
        task = await ended(kernel_api, task_id)
    assert task.error == "the output does not fit the schema: echo: {} is not of type 'string'"
    assert task.output == {"echo": {}}


async def test_a_pod_survives_the_loss_of_its_connection(
    running_pod: Any, enqueue: Any, kernel_api: Kernel, owner: psycopg.Connection
) -> None:
    async with running_pod():
        [first] = await enqueue()
        await ended(kernel_api, first)
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
            "and pid <> pg_backend_pid() and pid <> %s",
            [await _own_pid(kernel_api)],
        )
        [second] = await enqueue()
        assert (await ended(kernel_api, second)).status == "DONE"


async def test_health_readiness_and_metrics_are_served(running_pod: Any, enqueue: Any, kernel_api: Kernel) -> None:
    async with running_pod() as running, LoopServer(running.app, "127.0.0.1", 0) as server, httpx.AsyncClient() as http:
        [task_id] = await enqueue()
        await ended(kernel_api, task_id)
        assert (await http.get(f"{server.url}/healthz")).json()["status"] == "ok"
        assert (await http.get(f"{server.url}/readyz")).status_code == 200
        metrics = (await http.get(f"{server.url}/metrics")).text
        assert 'task_run_seconds_count{queue="echo"} 1.0' in metrics and "lease_lost_total 0.0" in metrics
        running.pod.drain()
        assert (await http.get(f"{server.url}/readyz")).status_code == 503
        running.pod.last_round_trip -= 1000
        assert (await http.get(f"{server.url}/healthz")).status_code == 503


async def _own_pid(kernel: Kernel) -> int:
    connection = kernel.transport._connection  # type: ignore[attr-defined]  # the one that must stay
    return connection.info.backend_pid


async def test_a_pod_that_can_start_nothing_hands_tasks_back_and_is_not_ready(
    running_pod: Any, enqueue: Any, kernel_api: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_pod() as running:
        monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
        [task_id] = await enqueue(max_attempts=1)
        await until(lambda: not running.pod.ready)
        task = await kernel_api.get_task(task_id)
        assert task and (task.status, task.attempt) == ("PENDING", 0)
        monkeypatch.setattr(tempfile, "tempdir", None)


async def test_a_pod_outlives_a_database_that_is_read_only_for_a_while(
    running_pod: Any, enqueue: Any, kernel_api: Kernel, owner: psycopg.Connection
) -> None:
    async with running_pod():
        [task_id] = await enqueue(agent_orch="naughty", input={"do": "answer"})
        owner.execute(f"alter database {owner.info.dbname} set default_transaction_read_only = on")
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
            "and pid <> pg_backend_pid() and pid <> %s",
            [await _own_pid(kernel_api)],
        )
        await asyncio.sleep(0.3)
        owner.execute(f"alter database {owner.info.dbname} reset default_transaction_read_only")
        owner.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
            "and pid <> pg_backend_pid() and pid <> %s",
            [await _own_pid(kernel_api)],
        )
        assert (await ended(kernel_api, task_id)).status == "DONE"


async def test_a_connection_opened_again_still_listens(database_url: str, owner: psycopg.Connection) -> None:
    connection = PostgresConnection(database_url, "fleet_pod")
    await connection.listen("fleet_tasks")
    assert connection._connection
    owner.execute("select pg_terminate_backend(%s)", [connection._connection.info.backend_pid])
    with pytest.raises(DatabaseUnavailable):
        await connection.notified(1)
    assert await connection.notified(0.1) == []
    owner.execute("notify fleet_tasks, 'hello'")
    assert await connection.notified(10) == ["hello"]
    await connection.close()
