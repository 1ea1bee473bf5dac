"""A start that the tenant's max_waiting refuses, over HTTP."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sample_processes import ROBOT

from kernel.migrate import set_tenant_share


@pytest.fixture
async def robot(
    start_pod: Callable[..., Awaitable[object]], deploy: Callable[..., Awaitable[str]], database_url: str
) -> str:
    """The id of a definition that begins with an agent's task; acme may have one waiting."""
    await start_pod()
    set_tenant_share(database_url, "acme", 1, None, 1)
    return await deploy(ROBOT)


def starting(definition: str) -> dict[str, dict[str, object]]:
    """A body for each address that starts instances."""
    return {
        "/instances": {"process_definition_id": definition},
        "/complete": {"input": {"process_definition_id": definition, "process_instance_id": "new"}},
    }


@pytest.mark.parametrize("address", ["/instances", "/complete"])
async def test_a_start_over_the_limit_is_told_when_to_come_back(
    client: httpx.AsyncClient, robot: str, address: str
) -> None:
    body = starting(robot)[address]
    first = await client.post(address, json=body, headers={"Idempotency-Key": "one"})
    refused = await client.post(address, json=body)
    assert (first.is_success, refused.status_code, refused.headers["retry-after"]) == (True, 429, "60")
    problem = refused.json()
    assert problem["type"] == "urn:process-fleet:problem:queue_full"
    assert problem["detail"] == "1 tasks of the tenant wait, 1 more are too many: its max_waiting is 1."
    assert "60 seconds" in problem["remedy"] and "max_waiting" in problem["remedy"]
    again = await client.post(address, json=body, headers={"Idempotency-Key": "one"})
    assert (again.status_code, again.headers["idempotency-replayed"]) == (first.status_code, "true")


async def test_refusals_are_counted_by_their_problem(client: httpx.AsyncClient, robot: str) -> None:
    for _ in range(3):
        await client.post("/instances", json=starting(robot)["/instances"])
    [family] = [f for f in text_string_to_metric_families((await client.get("/metrics")).text) if f.name == "problems"]
    counts = {s.labels["problem"]: s.value for s in family.samples if s.name == "problems_total"}
    assert counts == {"queue_full": 2}
