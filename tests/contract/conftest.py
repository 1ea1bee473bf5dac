"""One Supabase project for the suite; each test once over each transport, with tenants and a queue of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count

import pytest
from supabase_project import SupabaseProject, supabase_project

from kernel.functions import Kernel
from kernel.migrate import create_tenant
from kernel.postgres import PostgresConnection, Transport
from kernel.supabase_transport import SupabaseConnection

Connect = Callable[[str], Transport]
_numbers = count(1)


@pytest.fixture(scope="session")
def project() -> Iterator[SupabaseProject]:
    with supabase_project() as made:
        yield made


@pytest.fixture
async def open_transport(project: SupabaseProject) -> AsyncIterator[Callable[[str, str], Transport]]:
    """Opens transports: `open_transport("supabase", "fleet_api")`."""
    async with AsyncExitStack() as stack:

        def make(via: str, role: str) -> Transport:
            if via == "postgres":
                connection = PostgresConnection(project.database_url, role)
            else:
                connection = SupabaseConnection(project.url, project.service_key, role)
            stack.push_async_callback(connection.close)
            return connection

        yield make


@pytest.fixture(params=["postgres", "supabase"])
def via(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def connect(open_transport: Callable[[str, str], Transport], via: str) -> Connect:
    """Opens the transport of this run: `connect("fleet_api")`."""
    return lambda role: open_transport(via, role)


@pytest.fixture
def tenants(project: SupabaseProject) -> tuple[str, str]:
    """Two tenants that no other test has."""
    number = next(_numbers)
    names = f"acme-{number}", f"globex-{number}"
    for name in names:
        create_tenant(project.database_url, name, name)
    return names


@pytest.fixture
def queue(tenants: tuple[str, str]) -> str:
    """An orchestrator that no other test has."""
    return f"echo-{tenants[0]}"


@pytest.fixture
def api(connect: Connect, tenants: tuple[str, str]) -> Kernel:
    """The kernel as the execution API has it, for Ann of the first tenant."""
    return Kernel(connect("fleet_api")).as_tenant(tenants[0], "user:ann@acme.test")


@pytest.fixture
def pod(connect: Connect) -> Kernel:
    """The kernel as a pod has it."""
    return Kernel(connect("fleet_pod"))
