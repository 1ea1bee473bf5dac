from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sample_processes import REFUND, ROBOT

from kernel.functions import Kernel

Deploy = Callable[..., Awaitable[str]]
Ids = tuple[UUID, UUID]


async def start(client: httpx.AsyncClient, definition: str, **given: Any) -> dict[str, Any]:
    answer = await client.post("/instances", json={"process_definition_id": definition, **given})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_instance_is_started_and_can_be_looked_into(client: httpx.AsyncClient, deploy: Deploy) -> None:
    body = {"process_definition_id": await deploy(), "variables": {"amount": 9}, "initiator": "ann@acme.test"}
    answer = await client.post("/instances", json=body)
    assert answer.headers["location"] == answer.json()["links"]["instance"]
    found = (await client.get(answer.headers["location"])).json()
    assert (found["status"], found["initiator"]) == ("RUNNING", "ann@acme.test")
    assert found["variables"] == {"amount": 9, "initiator": "ann@acme.test"}
    assert [task["activity_id"] for task in found["tasks"]] == ["decide"]
    assert found["cost"] == {
        "model_calls": 0, "tool_calls": 0, "input_tokens": 0, "output_tokens": 0, "cost_usd": "0",
    }  # fmt: skip
    assert "state" not in found


async def test_a_version_can_be_chosen(client: httpx.AsyncClient, deploy: Deploy) -> None:
    await deploy()
    await deploy(REFUND.replace("Decide the refund", "Decide"))
    for version in (1, 2):
        started = await start(client, "refund", version=version)
        found = (await client.get(started["links"]["instance"])).json()
        assert found["process_definition_version"] == version


async def test_instances_are_listed_by_status_and_definition_and_by_page(
    client: httpx.AsyncClient, deploy: Deploy
) -> None:
    definition = await deploy()
    ids = [(await start(client, definition))["process_instance_id"] for _ in range(3)]
    await client.post(f"/instances/{ids[0]}/cancel", json={"reason": "r"})
    running = (await client.get("/instances", params={"status": "RUNNING"})).json()
    assert {item["id"] for item in running["items"]} == set(ids[1:])
    assert running["next"] is None
    assert (await client.get("/instances", params={"definition": "other"})).json()["items"] == []
    seen: list[str] = []
    address = "/instances?definition=refund&limit=2"
    while address:
        page = (await client.get(address)).json()
        seen += [item["id"] for item in page["items"]]
        address = page["next"]
    assert seen == sorted(ids, reverse=True)


async def test_events_are_read_on_from_where_the_last_answer_ended(client: httpx.AsyncClient, started: Ids) -> None:
    address = f"/instances/{started[0]}/events"
    first = (await client.get(address, params={"limit": 1})).json()
    assert [event["event_type"] for event in first["items"]] == ["INSTANCE_STARTED"]
    rest = (await client.get(address, params={"after": first["after"]})).json()
    assert [event["event_type"] for event in rest["items"]] == ["TASK_CREATED"]
    end = (await client.get(address, params={"after": rest["after"]})).json()
    assert end == {"items": [], "after": rest["after"], "next": None}


async def test_the_events_of_the_tenant_are_in_one_list(client: httpx.AsyncClient, started: Ids) -> None:
    events = (await client.get("/events")).json()
    assert [event["event_type"] for event in events["items"]] == [
        "DEFINITION_DEPLOYED", "INSTANCE_STARTED", "TASK_CREATED",
    ]  # fmt: skip
    assert (await client.get("/events", params={"after": events["after"]})).json()["items"] == []


async def test_calls_and_cost_show_what_the_journal_holds(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: Callable[..., Awaitable[Any]]
) -> None:
    pod = await start_pod()
    instance = await start(client, await deploy(ROBOT))
    task = await pod.claim()
    call = {"kind": "chat", "name": "m", "request": {"n": 1}, "response": {"m": 2}, "outcome": "ok", "latency_ms": 5}
    tokens = {"input_tokens": 7, "output_tokens": 3, "cost_usd": "0.00000125"}
    kernel: Kernel = pod.kernel
    await kernel.record_call(task, {**call, **tokens})
    await kernel.record_call(task, {**call, **tokens, "kind": "tool", "cost_usd": "0"})
    calls = (await client.get(instance["links"]["calls"])).json()
    assert [(c["kind"], c["request"], c["cost_usd"]) for c in calls["items"]] == [
        ("chat", {"n": 1}, "0.00000125"),
        ("tool", {"n": 1}, "0.00000000"),
    ]
    assert calls["next"] is None
    cut = (await client.get(instance["links"]["calls"], params={"limit": 1})).json()
    assert [c["kind"] for c in cut["items"]] == ["chat"]
    assert [c["kind"] for c in (await client.get(cut["next"])).json()["items"]] == ["tool"]
    tools = (await client.get(instance["links"]["calls"], params={"kind": "tool"})).json()
    assert [c["kind"] for c in tools["items"]] == ["tool"]
    cost = (await client.get(instance["links"]["instance"])).json()["cost"]
    assert (cost["model_calls"], cost["tool_calls"], cost["input_tokens"]) == (1, 1, 14)
    assert cost["cost_usd"] == "0.00000125"


async def test_cancelling_ends_the_instance_and_its_tasks(client: httpx.AsyncClient, started: Ids) -> None:
    answer = await client.post(f"/instances/{started[0]}/cancel", json={"reason": "withdrawn"})
    assert answer.json()["status"] == "CANCELLED"
    assert [task["status"] for task in answer.json()["tasks"]] == ["CANCELLED"]
    events = (await client.get(f"/instances/{started[0]}/events")).json()["items"]
    [cancelled] = [event for event in events if event["event_type"] == "INSTANCE_CANCELLED"]
    assert (cancelled["message"], cancelled["actor"]) == ("withdrawn", "api_key:ci")
    again = await client.post(f"/instances/{started[0]}/cancel", json={"reason": "again"})
    assert (again.status_code, again.json()["type"]) == (409, "urn:process-fleet:problem:instance_closed")


@pytest.mark.parametrize("rest", ["", "/events", "/calls"])
async def test_an_unknown_instance_is_404(client: httpx.AsyncClient, rest: str) -> None:
    answer = await client.get(f"/instances/{uuid4()}{rest}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:process-fleet:problem:instance_unknown")


async def test_cancelling_an_unknown_instance_is_404(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"/instances/{uuid4()}/cancel", json={"reason": "r"})).status_code == 404


async def test_numbers_and_names_come_back_as_they_went_in(client: httpx.AsyncClient, deploy: Deploy) -> None:
    variables = {"huge": 10**400, "tenth": 0.1, "": {"": []}, "홍길동": "😀", "__proto__": None}
    started = await start(client, await deploy(), variables=variables)
    found = (await client.get(started["links"]["instance"])).json()["variables"]
    assert {name: found[name] for name in variables} == variables
