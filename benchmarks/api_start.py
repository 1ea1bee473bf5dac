"""Starting process instances over HTTP, beside a bare FastAPI that inserts one row."""

import json

from benchmarks.api_process import ApiProcess, post_many
from benchmarks.figures import Figure
from benchmarks.pod_process import TENANT
from execution_api.examples.files import BPMN
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection
from process_engine.committing import deployment

REQUESTS, CLIENTS = 2000, 8


async def measure(database_url: str) -> list[Figure]:
    """2000 starts of a process with one person's task over 8 connections to one process of the API."""
    connection = PostgresConnection(database_url, "fleet_api")
    await deployment.deploy(Kernel(connection).as_tenant(TENANT, "user:bench"), BPMN.encode())
    await connection.close()
    body = json.dumps({"process_definition_id": "refund", "variables": {"order": "4711", "amount": 49.9}}).encode()
    async with ApiProcess(database_url, ["-m", "benchmarks.bare_api"]) as bare:
        bare_rate, bare_p95, bare_cost = await _load(bare, body)
    async with ApiProcess(database_url) as api:
        rate, p95, cost = await _load(api, body)
    return [
        Figure("starts over HTTP", rate, "per s", bare_rate, "bare FastAPI, one INSERT"),
        Figure("start over HTTP, p95", p95, "ms", bare_p95, "bare FastAPI, one INSERT"),
        Figure("start over HTTP, processor time of the API", cost, "ms", bare_cost, "bare FastAPI, one INSERT"),
    ]


async def _load(api: ApiProcess, body: bytes) -> tuple[float, float, float]:
    """Requests per second, p95 and processor time of one in milliseconds."""
    key = f"X-API-Key: {api.key}\r\n"
    await post_many(api.port, "/instances", body, key, 200, CLIENTS)  # to warm up
    before = api.processor_seconds()
    rate, p95 = await post_many(api.port, "/instances", body, key, REQUESTS, CLIENTS)
    return rate, p95, (api.processor_seconds() - before) / REQUESTS * 1000
