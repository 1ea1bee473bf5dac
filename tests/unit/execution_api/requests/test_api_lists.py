"""Filters and pages of every list."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest
from places import Place
from sample_processes import NOTHING_TO_DO, REFUND, ROBOT

Deploy = Callable[..., Awaitable[str]]


async def start(client: httpx.AsyncClient, definition: str, **fields: Any) -> str:
    answer = await client.post("/instances", json={"process_definition_id": definition, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()["process_instance_id"]


async def found(client: httpx.AsyncClient, path: str, key: str, **query: Any) -> list[Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [item[key] for item in answer.json()["items"]]


async def all_pages(client: httpx.AsyncClient, address: str | None, key: str) -> list[list[Any]]:
    pages: list[list[Any]] = []
    while address:
        page = (await client.get(address)).json()
        pages.append([item[key] for item in page["items"]])
        address = page["next"]
    return pages


async def test_instances_are_found_by_their_variables(client: httpx.AsyncClient, deploy: Deploy) -> None:
    definition = await deploy()
    customer = {"city": "Seoul", "tags": ["a", "b"], "vip": True}
    one = await start(client, definition, variables={"amount": 49.9, "customer": customer, "none": None})
    two = await start(client, definition, variables={"amount": 50, "customer": {"city": "Busan"}, "code": "007"})
    for variable, wanted in (
        ("amount=49.9", [one]), ("amount=50", [two]), ("amount=50.0", [two]), ("amount=1", []),
        ("customer.city=Seoul", [one]), ('customer.city="Busan"', [two]), ("customer.tags.1=b", [one]),
        ("customer.vip=true", [one]), ('code="007"', [two]), ("code=7", []), ("none=null", [one]),
        ("missing=null", []), ('customer={"city":"Busan"}', [two]), ("amount=49.9' or '1'='1", []),
    ):  # fmt: skip
        assert await found(client, "/instances", "id", variable=variable) == wanted, variable
    assert await found(client, "/instances", "id", variable=["amount=50", "customer.city=Seoul"]) == []


async def test_the_search_by_variables_goes_on_where_it_ended(
    client: httpx.AsyncClient, deploy: Deploy, owner: psycopg.Connection
) -> None:
    oldest = await start(client, await deploy(), variables={"amount": 1})
    owner.execute("""insert into bpm_proc_inst select tenant_id, kernel.new_id(), process_definition_id,
        process_definition_version, initiator, status, '{"amount": 2}', state, revision, error, start_time, end_time
        from bpm_proc_inst, generate_series(1, 5100)""")
    pages = await all_pages(client, "/instances?variable=amount%3D1&limit=10", "id")
    assert pages == [[], [oldest]]
    twos = await all_pages(client, "/instances?variable=amount%3D2&limit=500", "id")
    ids = [instance for page in twos for instance in page]
    assert len(ids) == len(set(ids)) == 5100
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("variable", ["amount", "=1", "a" * 600 + "=1", 'a="\\ud800"', "a=" + "[" * 200 + "]" * 200])
async def test_a_search_that_is_none_is_refused(client: httpx.AsyncClient, variable: str) -> None:
    assert (await client.get("/instances", params={"variable": variable})).status_code == 422


async def test_instances_are_filtered_by_what_they_are(client: httpx.AsyncClient, deploy: Deploy) -> None:
    refund, nothing = await deploy(), await deploy(NOTHING_TO_DO)
    old = await start(client, refund, initiator="Ann@acme.test")
    await deploy(REFUND.replace("Decide the refund", "Decide"))
    new = await start(client, refund, initiator="bob@acme.test")
    done = await start(client, nothing, initiator="ann@acme.test")

    async def ids(**query: Any) -> list[str]:
        return await found(client, "/instances", "id", **query)

    assert await ids(initiator="ann@acme.test") == [done, old]
    assert await ids(definition="refund", version=2) == [new]
    assert await ids(status="COMPLETED", definition="refund") == []
    moment = (await client.get(f"/instances/{new}")).json()["start_time"]
    assert await ids(started_from=moment) == [done, new]
    assert await ids(started_before=moment) == [old]
    for no_time in ("2026-11-20T00:00:00", "1795000000", "-462", "2026-11-20"):
        assert (await client.get("/instances", params={"started_from": no_time})).status_code == 422


async def test_the_filters_go_along_to_the_next_page(client: httpx.AsyncClient, deploy: Deploy) -> None:
    definition = await deploy()
    for amount in (1, 2, 1, 1):
        await start(client, definition, variables={"amount": amount, "x": "a&b=c"})
    address = "/instances?variable=amount%3D1&variable=x%3Da%26b%3Dc&started_from=2026-01-01T00:00:00Z&limit=1"
    pages = await all_pages(client, address, "id")
    assert sum(len(page) for page in pages) == 3


async def test_events_are_filtered(client: httpx.AsyncClient, started: tuple[object, object]) -> None:
    assert await found(client, "/events", "event_type", type="TASK_CREATED") == ["TASK_CREATED"]
    assert len(await found(client, "/events", "event_id", task=str(started[1]))) == 1
    assert len(await found(client, "/events", "event_id", actor="api_key:ci")) == 3
    assert await found(client, "/events", "event_id", actor="nobody") == []
    pages = await all_pages(client, "/events?limit=1&actor=api_key%3Aci", "event_type")
    assert [page for page in pages if page] == [["DEFINITION_DEPLOYED"], ["INSTANCE_STARTED"], ["TASK_CREATED"]]
    unknown = await client.get("/events", params={"type": "NOT_A_TYPE"})
    assert unknown.status_code == 422 and "type" in unknown.json()["errors"][0]["field"], unknown.text


@pytest.mark.parametrize(("time", "status"), [("2026-01-01T00:00:00+23:37", 200), ("0001-01-01T00:00:00+10:00", 422)])
async def test_a_time_may_have_any_zone(client: httpx.AsyncClient, time: str, status: int) -> None:
    answer = await client.get("/instances", params={"started_from": time})
    assert answer.status_code == status, answer.text
    assert status == 200 or "started_from" in answer.json()["errors"][0]["field"], answer.text


async def test_definitions_and_their_versions_come_in_pages(client: httpx.AsyncClient, deploy: Deploy) -> None:
    await deploy(NOTHING_TO_DO)
    for number in range(3):
        await deploy(REFUND.replace("Decide the refund", f"Decide {number}"))
    assert await all_pages(client, "/process-definitions?limit=1", "id") == [["nothing_to_do"], ["refund"], []]
    assert await found(client, "/process-definitions", "version", q="REF") == [3]
    assert await found(client, "/process-definitions", "version", q="100%") == []
    versions = "/process-definitions/refund/versions"
    assert await all_pages(client, f"{versions}?limit=2", "version") == [[3, 2], [1]]
    assert (await client.get("/process-definitions/nothing/versions")).status_code == 404


async def test_agents_orchestrators_pods_and_keys_come_in_pages(
    client: httpx.AsyncClient, start_pod: Callable[..., Awaitable[Any]], place: Place
) -> None:
    for name in ("a", "b", "c"):
        await client.put(f"/agents/{name}", json={"name": name, "role": "r", "goal": "g"})
        await client.post("/api-keys", json={"name": name, "role": "viewer"})
        await start_pod(serves=(f"orchestrator-{name}",), name=name)
    assert await all_pages(client, "/agents?limit=2", "agent_id") == [["a", "b"], ["c"]]
    assert await all_pages(client, "/api-keys?limit=3", "name") == [["c", "b", "a"], ["ci"]]
    orchestrators = await all_pages(client, "/orchestrators?limit=2", "id")
    assert orchestrators == [["orchestrator-a", "orchestrator-b"], ["orchestrator-c"]]
    pods = await all_pages(client, "/pods?limit=2&status=READY", "name")
    assert sorted(name for page in pods for name in page) == ["a", "b", "c"]
    assert await found(client, "/pods", "name", status="STOPPED") == []


async def test_tasks_are_filtered(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: Callable[..., Awaitable[Any]]
) -> None:
    await start_pod()
    await start(client, await deploy())
    await start(client, await deploy(ROBOT))
    for query, wanted in (
        ({"group": "support"}, ["decide"]), ({"group": "sales"}, []), ({"definition": "robot"}, ["work"]),
        ({"activity": "decide"}, ["decide"]), ({"queue": "echo"}, ["work"]), ({"priority": 3}, ["work", "decide"]),
        ({"priority": 4}, []),
    ):  # fmt: skip
        assert await found(client, "/tasks", "activity_id", status="ALL", **query) == wanted, query


async def test_going_back_deploys_the_old_file_as_a_new_version(client: httpx.AsyncClient, deploy: Deploy) -> None:
    await deploy()
    await deploy(REFUND.replace("Decide the refund", "Decide"))
    address = "/process-definitions/refund/rollback"
    back = await client.post(address, json={"version": 1})
    assert (back.status_code, back.json()["version"]) == (201, 3)
    files = [(await client.get(f"/process-definitions/refund/versions/{n}/xml")).text for n in (1, 2, 3)]
    assert files[2] == files[0] != files[1]
    again = await client.post(address, json={"version": 3})
    assert (again.status_code, again.json()["is_new"]) == (200, False)
    unknown = await client.post(address, json={"version": 9})
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:process-fleet:problem:version_unknown")


async def test_a_bulk_cancel_first_says_what_it_would_do(client: httpx.AsyncClient, deploy: Deploy) -> None:
    refund, robot = await deploy(), await deploy(NOTHING_TO_DO)
    ids = [await start(client, refund) for _ in range(3)]
    await start(client, robot)
    asked = {"reason": "over", "process_definition_id": "refund", "most": 2}
    dry = (await client.post("/instances/cancel", json=asked)).json()
    assert dry == {"dry_run": True, "instances": [ids[2], ids[1]], "cancelled": 0, "is_complete": False}
    done = (await client.post("/instances/cancel", json={**asked, "dry_run": False})).json()
    assert (done["instances"], done["cancelled"]) == (dry["instances"], 2)
    assert await found(client, "/instances", "id", status="RUNNING") == [ids[0]]
    rest = (await client.post("/instances/cancel", json={**asked, "dry_run": False})).json()
    assert (rest["instances"], rest["is_complete"]) == ([ids[0]], True)
    [event] = (await client.get(f"/instances/{ids[0]}/events?type=INSTANCE_CANCELLED")).json()["items"]
    assert event["message"] == "over"


async def test_a_bulk_cancel_of_everything_is_refused_and_reaches_no_other_tenant(
    client: httpx.AsyncClient, globex: httpx.AsyncClient, started: tuple[object, object]
) -> None:
    answer = await client.post("/instances/cancel", json={"reason": "r", "dry_run": False})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:filter_missing")
    body = {"reason": "r", "dry_run": False, "process_definition_id": "refund"}
    assert (await globex.post("/instances/cancel", json=body)).json()["instances"] == []
    assert (await client.get(f"/instances/{started[0]}")).json()["status"] == "RUNNING"
