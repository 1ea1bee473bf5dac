"""Process instances for tests of init.sql: steps as the engine would compute them, written by hand."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID

import psycopg
import pytest
from instance_steps import step
from psycopg.rows import dict_row

from kernel.functions import Kernel
from kernel.models import Json
from kernel.postgres import PostgresConnection


@pytest.fixture
async def deployed(kernel_api: Kernel) -> str:
    """The id of a definition of acme, version 1."""
    return (await kernel_api.deploy_definition("order", "Order", "<bpmn/>", {}, [])).id


@pytest.fixture
def start_instance(kernel_api: Kernel, deployed: str) -> Callable[..., Awaitable[UUID]]:
    """Starts an instance of acme, begun by Ann, whose first step makes the given tasks."""

    async def start(*tasks: Json) -> UUID:
        started = await kernel_api.start_instance(deployed, 1, "ann@acme.test", step(0, *tasks))
        return started.proc_inst_id

    return start


@pytest.fixture
def rows(owner: psycopg.Connection) -> Callable[..., list[dict[str, Any]]]:
    """What the database holds, as the owner sees it: `rows("select ... where x = %s", value)`."""

    def read(query: str, *values: object) -> list[dict[str, Any]]:
        with owner.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, values).fetchall()  # type: ignore[arg-type]

    return read


@pytest.fixture
async def deliverer(database_url: str) -> AsyncIterator[Kernel]:
    """The kernel as a deliverer has it."""
    connection = PostgresConnection(database_url, role="fleet_deliver")
    yield Kernel(connection)
    await connection.close()
