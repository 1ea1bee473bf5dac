import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
from sample_processes import process

Deploy = Callable[..., Awaitable[str]]
KEY = {"Idempotency-Key": "order-4711"}
LOOP = process(
    "loop",
    "startEvent s, exclusiveGateway again, userTask ask, exclusiveGateway x, endEvent e",
    "s -> again, again -> ask, ask -> x, x -> again [!ready], x -> e [ready]",
)


def starting(address: str, definition: str, **variables: Any) -> dict[str, Any]:
    if address == "/instances":
        return {"process_definition_id": definition, "variables": variables}
    return {"input": {"process_instance_id": "new", "process_definition_id": definition, "variables": variables}}


@pytest.mark.parametrize("address", ["/complete", "/instances"])
async def test_a_start_that_is_sent_twice_makes_one_instance(
    client: httpx.AsyncClient, deploy: Deploy, address: str
) -> None:
    body = starting(address, await deploy(), order=1, amount=2)
    first = await client.post(address, json=body, headers=KEY)
    again = await client.post(address, json=dict(reversed(body.items())), headers=KEY)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert len((await client.get("/instances")).json()["items"]) == 1


@pytest.mark.parametrize("address", ["/complete", "/instances"])
async def test_two_equal_starts_at_the_same_moment_make_one_instance(
    client: httpx.AsyncClient, deploy: Deploy, address: str
) -> None:
    body = starting(address, await deploy())
    answers = await asyncio.gather(*(client.post(address, json=body, headers=KEY) for _ in range(4)))
    assert len({answer.json()["process_instance_id"] for answer in answers}) == 1
    assert sorted("idempotency-replayed" in answer.headers for answer in answers) == [False, True, True, True]
    assert len((await client.get("/instances")).json()["items"]) == 1


@pytest.mark.parametrize("address", ["/complete", "/instances"])
async def test_the_same_key_for_another_request_is_refused(
    client: httpx.AsyncClient, deploy: Deploy, address: str
) -> None:
    definition = await deploy()
    await client.post(address, json=starting(address, definition, order=1), headers=KEY)
    answer = await client.post(address, json=starting(address, definition, order=2), headers=KEY)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:idempotency_key_reused")


async def test_keys_of_two_tenants_do_not_meet(
    client: httpx.AsyncClient, globex: httpx.AsyncClient, deploy: Deploy
) -> None:
    body = starting("/instances", await deploy())
    await globex.post(
        "/process-definitions",
        content=(await client.get("/process-definitions/refund/xml")).content,
        headers={"Content-Type": "application/xml"},
    )
    first = await client.post("/instances", json=body, headers=KEY)
    other = await globex.post("/instances", json=body, headers=KEY)
    assert other.status_code == 201
    assert "idempotency-replayed" not in other.headers
    assert other.json()["process_instance_id"] != first.json()["process_instance_id"]


@pytest.mark.parametrize("by", ["/complete", "submit"])
async def test_two_equal_submits_at_the_same_moment_are_one(
    client: httpx.AsyncClient, started: tuple[UUID, UUID], by: str
) -> None:
    instance, task = started
    address = by if by == "/complete" else f"/tasks/{task}/submit"
    given = {"process_instance_id": str(instance), "activity_id": "decide", "form_values": {"ok": True}}
    body = {"input": given} if by == "/complete" else {"output": {"ok": True}}
    answers = await asyncio.gather(*(client.post(address, json=body, headers=KEY) for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert sorted("idempotency-replayed" in answer.headers for answer in answers) == [False, True, True, True]
    other = {"input": {**given, "form_values": {}}} if by == "/complete" else {"output": {}}
    assert (await client.post(address, json=other, headers=KEY)).status_code == 422


async def test_a_replayed_submit_means_the_task_it_was_though_the_activity_has_a_new_one(
    client: httpx.AsyncClient, deploy: Deploy
) -> None:
    begun = await client.post("/complete", json=starting("/complete", await deploy(LOOP)))
    given = {"process_instance_id": begun.json()["process_instance_id"], "activity_id": "ask"}
    body = {"input": {**given, "form_values": {"ready": False}}}
    first = await client.post("/complete", json=body, headers=KEY)
    again = await client.post("/complete", json=body, headers=KEY)
    assert first.json()["tasks"][0]["iteration"] == 2
    assert (again.headers["idempotency-replayed"], again.json()) == ("true", first.json())
    assert again.json()["task"]["iteration"] == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "two words", "ключ".encode("latin-1", "replace").decode() + "\x7f"])
async def test_a_key_that_is_no_plain_word_is_refused(client: httpx.AsyncClient, deploy: Deploy, key: str) -> None:
    body = starting("/instances", await deploy())
    answer = await client.post("/instances", json=body, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["field"].lower()) == (422, "idempotency-key")
