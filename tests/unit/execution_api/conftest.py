"""The execution API over a fresh database, clients of two tenants, and a check of every answer.

Each answer that a client gets must be in the OpenAPI document: its status, its media type and its schema.
"""

import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import uvicorn
from documented_answers import check_answer
from fastapi import FastAPI
from places import Place
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr
from sample_processes import REFUND
from user_tokens import JWT_SECRET

from agent_pod.servers import LoopServer
from execution_api.app import create_app
from execution_api.settings import ApiSettings
from kernel.embedded import EmbeddedPostgres
from kernel.migrate import create_api_key
from offline_model.app import create_app as create_offline_model

_numbers = count(1)


@pytest.fixture(scope="session", autouse=True)
def no_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing here speaks TLS, and reading the machine's certificates for every client would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        yield


@pytest.fixture(scope="session")
def model_url() -> Iterator[str]:
    """The offline model, served on loopback."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        server = uvicorn.Server(uvicorn.Config(create_offline_model(), log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The OpenAPI document; making it takes longer than most tests."""
    return create_app(ApiSettings(database_url=SecretStr("postgresql://nowhere"))).openapi()


@pytest.fixture(scope="session")
def shared_database(server: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    """The database of all tests that need no other than the rows of tenants of their own; its owner's connection."""
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute("create database shared_by_api_tests template fleet_template")
    with psycopg.connect(make_conninfo(server.url, dbname="shared_by_api_tests"), autocommit=True) as owner:
        yield owner


@pytest.fixture
def place(request: pytest.FixtureRequest, server: EmbeddedPostgres, shared_database: psycopg.Connection) -> Place:
    """Where this test is: a database of its own, as acme and globex, where it asks for one (pods, clock and owner do,
    since queues belong to all tenants); else two tenants of its own in the shared one, which is made ten times faster.
    """
    if "database_url" in request.fixturenames:
        return Place(request.getfixturevalue("database_url"), "acme", "globex")
    number = next(_numbers)
    place = Place(make_conninfo(server.url, dbname="shared_by_api_tests"), f"acme-{number}", f"globex-{number}")
    for tenant in (place.tenant, place.other_tenant):
        shared_database.execute("select * from public.create_tenant(%s, %s)", [tenant, tenant])
    return place


@pytest.fixture
def settings(place: Place, model_url: str) -> ApiSettings:
    return ApiSettings(
        database_url=SecretStr(place.url),
        openai_base_url=model_url,
        supabase_jwt_secret=SecretStr(JWT_SECRET),
        max_body_bytes=1_000_000,
        database_pool_size=4,
        fleet_api_rate=0,
    )


@pytest.fixture
async def app(settings: ApiSettings) -> AsyncIterator[FastAPI]:
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
def acme_key(place: Place) -> str:
    return create_api_key(place.url, place.tenant, "ci")


@pytest.fixture
async def open_client(app: FastAPI, document: dict[str, Any]) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Makes clients: `open_client({"X-API-Key": key})`."""
    async with AsyncExitStack() as clients:

        def make(headers: dict[str, str] | None = None) -> httpx.AsyncClient:
            async def check(response: httpx.Response) -> None:
                await response.aread()
                check_answer(document, response)

            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://api",
                headers=headers,
                event_hooks={"response": [check]},
            )
            clients.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
def anybody(open_client: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client without credentials."""
    return open_client()


@pytest.fixture
def client(open_client: Callable[..., httpx.AsyncClient], acme_key: str) -> httpx.AsyncClient:
    """A client of the test's tenant with the API key "ci"."""
    return open_client({"Authorization": f"Bearer {acme_key}"})


@pytest.fixture
def globex(open_client: Callable[..., httpx.AsyncClient], place: Place) -> httpx.AsyncClient:
    """A client of the other tenant."""
    return open_client({"X-API-Key": create_api_key(place.url, place.other_tenant, "ci")})


@pytest.fixture
async def deploy(client: httpx.AsyncClient) -> Callable[..., Awaitable[str]]:
    """Deploys a BPMN file, the refund process if none is given, and returns its id."""

    async def put(bpmn: str = REFUND) -> str:
        answer = await client.post("/process-definitions", content=bpmn, headers={"Content-Type": "application/xml"})
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()["id"]

    return put


@pytest.fixture
async def started(client: httpx.AsyncClient, deploy: Callable[..., Awaitable[str]]) -> tuple[UUID, UUID]:
    """A refund instance of acme that waits for a person: its id and the id of its open task."""
    definition = await deploy()
    answer = await client.post(
        "/complete", json={"input": {"process_definition_id": definition, "process_instance_id": "new"}}
    )
    return UUID(answer.json()["process_instance_id"]), UUID(answer.json()["task"]["task_id"])


@pytest.fixture
async def api_url(app: FastAPI) -> AsyncIterator[str]:
    """The API on a port of its own, in this loop: for answers that do not end."""
    async with LoopServer(app, "127.0.0.1", 0) as server:
        yield server.url
