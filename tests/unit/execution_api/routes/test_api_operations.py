from collections.abc import Awaitable, Callable
from uuid import UUID

import httpx
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from shut_database import shut_database

from kernel.embedded import EmbeddedPostgres


async def scrape(client: httpx.AsyncClient) -> dict[str, dict[tuple[str, ...], float]]:
    """Metric name -> label values -> value."""
    text = (await client.get("/metrics")).text
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, f"{family.name} has no HELP"
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


async def test_a_program_with_its_database_is_healthy_and_ready(anybody: httpx.AsyncClient) -> None:
    assert (await anybody.get("/healthz")).json() == {"status": "ok"}
    assert (await anybody.get("/readyz")).json() == {"status": "ready"}


async def test_without_its_database_a_program_lives_but_is_not_ready(
    app: FastAPI, client: httpx.AsyncClient, server: EmbeddedPostgres, database_url: str
) -> None:
    shut_database(app, server, database_url)
    assert (await client.get("/healthz")).status_code == 200
    for address in ("/readyz", "/instances"):
        answer = await client.get(address)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.json()["type"] == "urn:process-fleet:problem:database_unavailable"
        assert "connection" not in answer.text


async def test_without_its_database_no_queue_is_said_to_be_empty(
    app: FastAPI, anybody: httpx.AsyncClient, server: EmbeddedPostgres, database_url: str
) -> None:
    shut_database(app, server, database_url)
    metrics = await scrape(anybody)
    assert metrics["database_up"] == {(): 0}
    assert "pending_tasks" not in metrics


async def test_the_gauges_show_the_queues_of_all_tenants_at_the_scrape(
    anybody: httpx.AsyncClient,
    start_pod: Callable[..., Awaitable[object]],
    enqueue: Callable[..., Awaitable[list[UUID]]],
    set_clock: Callable[[float], object],
) -> None:
    pod = await start_pod(serves=("echo", "browser"))
    await enqueue(2)
    await enqueue(1, tenant="globex")
    await pod.claim()  # type: ignore[attr-defined]
    set_clock(90)
    metrics = await scrape(anybody)
    assert metrics["database_up"] == {(): 1}
    assert metrics["pending_tasks"] == {("browser",): 0, ("echo",): 2}
    assert metrics["in_progress_tasks"] == {("browser",): 0, ("echo",): 1}
    assert metrics["oldest_pending_seconds"][("browser",)] == 0
    assert 90 <= metrics["oldest_pending_seconds"][("echo",)] < 150


async def test_requests_are_counted_by_route_method_and_status(
    anybody: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    for task in ("0193a5c1-4f0e-7c5a-9d55-0d6a4f1f7a10", "0193a5c1-4f0e-7c5a-9d55-0d6a4f1f7a11"):
        await client.get(f"/tasks/{task}")
    await client.get("/instances")
    await client.get("/nothing-here")
    await anybody.get("/instances")
    await client.request("BREW", "/instances")
    metrics = await scrape(anybody)
    assert metrics["http_requests_total"] == {  # method, route, status
        ("GET", "/tasks/{task_id}", "404"): 2,
        ("GET", "/instances", "200"): 1,
        ("GET", "none", "404"): 1,
        ("GET", "none", "401"): 1,
        ("other", "/instances", "405"): 1,
    }
    assert metrics["http_request_duration_seconds_count"][("GET", "/tasks/{task_id}")] == 2


async def test_the_document_and_its_reader_are_open(anybody: httpx.AsyncClient) -> None:
    assert (await anybody.get("/openapi.json")).json()["info"]["title"] == "ProcessFleet execution API"
    assert "/openapi.json" in (await anybody.get("/docs")).text
