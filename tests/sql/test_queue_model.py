"""Whatever a fleet does, and in whatever order: no task is lost or done twice, and no stale token writes."""

import asyncio
from contextlib import AsyncExitStack
from uuid import UUID

import psycopg
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from queue_machine import Fleet, QueueMachine

from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

BOUNDED = settings(
    max_examples=25,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_a_random_fleet_agrees_with_the_model_of_the_queue(database_url: str, owner: psycopg.Connection) -> None:
    with asyncio.Runner() as runner:
        connections = [PostgresConnection(database_url, role) for role in ("fleet_api", *["fleet_pod"] * 3)]
        api, *pods = [Kernel(connection) for connection in connections]
        runner.run(pods[0].register_pod(UUID(int=0), "pod", [{"id": "echo", "description": ""}], None))
        fleet = Fleet(runner, owner, api, pods)
        run_state_machine_as_test(lambda: QueueMachine(fleet), settings=BOUNDED)
        runner.run(close(connections))


async def close(connections: list[PostgresConnection]) -> None:
    async with AsyncExitStack() as stack:
        for connection in connections:
            stack.push_async_callback(connection.close)
