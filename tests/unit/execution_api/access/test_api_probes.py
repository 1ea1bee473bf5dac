"""Thousands of random requests across tenants: none sees or changes anything of another."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
import uvicorn
from cross_tenant_probes import SECRET, Prober, Target
from fastapi import FastAPI
from places import Place
from sample_processes import REFUND
from user_tokens import user_token

from kernel.migrate import create_api_key

Ids = tuple[UUID, UUID]
FAST = 150


@pytest.fixture
async def target(
    client: httpx.AsyncClient, deploy: Callable[..., Awaitable[str]], place: Place, owner: psycopg.Connection
) -> Target:
    """The client's tenant with something secret in every place; where each word of its own is known to the probes."""
    definition = await deploy(REFUND.replace('id="refund"', 'id="theirs"'))
    for number in range(3):
        variables = {"note": f"{SECRET} {number}", "order": "4711", "amount": 7}
        body = {"process_definition_id": definition, "variables": variables}
        started = await client.post("/instances", json=body, headers={"Idempotency-Key": f"their-key-{number}"})
        assert started.status_code in {200, 201}, started.text
    await client.post("/documents", files={"files": ("theirs.md", f"# Plan\n\n{SECRET} words")})
    assert (await client.put("/agents/their-agent", json={"name": SECRET, "role": "r", "goal": SECRET})).is_success
    ids = {str(value) for table in tables_of_tenants(owner) for value in uuids_of(owner, table, place.tenant)}
    assert len(ids) >= 8
    return Target(place.tenant, sorted(ids), ["theirs", "their-agent", "theirs.md", "their-key-1"])


def tables_of_tenants(owner: psycopg.Connection) -> list[str]:
    query = """select c.table_schema || '.' || c.table_name from information_schema.columns c
        join information_schema.tables t using (table_schema, table_name)
        where column_name = 'tenant_id' and table_schema = 'public' and table_type = 'BASE TABLE' order by 1"""
    return [name for (name,) in owner.execute(query)]


def uuids_of(owner: psycopg.Connection, table: str, tenant: str) -> Iterator[UUID]:
    for row in owner.execute(f"select * from {table} where tenant_id = %s", [tenant]):  # type: ignore[arg-type]
        yield from (value for value in row if isinstance(value, UUID))


def everything_of(owner: psycopg.Connection, tenant: str) -> list[str]:
    """All rows of `tenant`; when a key was last used is not its doing."""
    query = "select to_jsonb(t) - 'last_used_at' from {} t where tenant_id = %s"
    return sorted(
        str(row)
        for table in tables_of_tenants(owner)
        for (row,) in owner.execute(query.format(table), [tenant])  # type: ignore[arg-type]
    )


async def probe(client: httpx.AsyncClient, prober: Prober, number: int) -> Counter[int]:
    """Send `number` probes; fails at the first leak. Returns how often each status came."""
    statuses: Counter[int] = Counter()
    for _ in range(number):
        sent = prober.next()
        request: dict[str, Any] = {"params": sent.query, "headers": sent.headers}
        answer = await client.request(sent.method, sent.address, **request, json=sent.body)
        assert prober.leaks(sent, answer.text + str(answer.headers)) == [], (sent, answer.text)
        assert answer.status_code < 500, (sent, answer.text)
        statuses[answer.status_code] += 1
    return statuses


@contextlib.asynccontextmanager
async def in_process(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    yield {"transport": httpx.ASGITransport(app), "base_url": "http://api"}


@contextlib.asynccontextmanager
async def over_a_socket(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield {"base_url": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        finally:
            server.should_exit = True
            await serving


@pytest.mark.parametrize(
    ("reach", "number"),
    [
        (in_process, FAST),
        (over_a_socket, FAST),
        pytest.param(in_process, 8_000, marks=pytest.mark.chaos),
        pytest.param(over_a_socket, 2_000, marks=pytest.mark.chaos),
    ],
)
async def test_no_request_crosses_tenants(
    app: FastAPI,
    document: dict[str, Any],
    place: Place,
    owner: psycopg.Connection,
    target: Target,
    client: httpx.AsyncClient,
    reach: Callable[[FastAPI], contextlib.AbstractAsyncContextManager[dict[str, Any]]],
    number: int,
) -> None:
    before = everything_of(owner, target.tenant)
    credentials = (create_api_key(place.url, place.other_tenant, "prober"), user_token(place.other_tenant))
    async with reach(app) as where:
        for seed, credential in enumerate(credentials):
            headers = {"Authorization": f"Bearer {credential}"}
            async with httpx.AsyncClient(**where, headers=headers, timeout=60) as stranger:
                statuses = await probe(stranger, Prober(document, target, seed), number // 2)
            assert min(statuses[200], statuses[404], statuses[422]) > number // 50, statuses
    assert everything_of(owner, target.tenant) == before
    seen = await leaks_to_its_own(client, Prober(document, target, 0), 5 * FAST)
    assert seen > 5, "the probes would not find a leak: the tenant itself sees nothing of its own by them"


async def leaks_to_its_own(client: httpx.AsyncClient, prober: Prober, number: int) -> int:
    seen = 0
    for _ in range(number):
        sent = prober.next()
        if sent.method == "GET":
            answer = await client.get(sent.address, params=sent.query)
            seen += bool(prober.leaks(sent, answer.text))
    return seen
