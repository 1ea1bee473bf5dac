from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
from sample_processes import FORM, SIDE_BY_SIDE

Ids = tuple[UUID, UUID]


async def test_the_inbox_shows_what_waits_for_people(
    client: httpx.AsyncClient, deploy: Callable[..., Awaitable[str]], start_pod: Callable[..., Awaitable[object]]
) -> None:
    await start_pod()
    await client.post("/instances", json={"process_definition_id": await deploy(SIDE_BY_SIDE)})

    async def activities(**query: Any) -> set[str]:
        return {task["activity_id"] for task in (await client.get("/tasks", params=query)).json()["items"]}

    assert await activities() == {"check"}
    assert await activities(status="PENDING") == {"work"}
    assert await activities(status="ALL") == {"check", "work"}
    assert await activities(status="DONE") == set()


async def test_the_inbox_of_a_person_holds_the_tasks_of_their_groups(client: httpx.AsyncClient, started: Ids) -> None:
    for person, found in (("support", 1), ("sales", 0), ("100%", 0)):
        assert len((await client.get("/tasks", params={"person": person})).json()["items"]) == found


async def test_tasks_are_listed_by_page_and_the_filters_go_along(
    client: httpx.AsyncClient, deploy: Callable[..., Awaitable[str]]
) -> None:
    definition = await deploy()
    for _ in range(3):
        await client.post("/instances", json={"process_definition_id": definition})
    seen: list[str] = []
    address: str | None = "/tasks?person=support&limit=1"
    while address:
        page = (await client.get(address)).json()
        seen += [item["task_id"] for item in page["items"]]
        address = page["next"]
        assert address is None or "person=support" in address
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 3


async def test_tasks_of_one_instance_are_found(client: httpx.AsyncClient, started: Ids) -> None:
    for instance, found in ((started[0], 1), (uuid4(), 0)):
        assert len((await client.get("/tasks", params={"instance": str(instance)})).json()["items"]) == found


async def test_a_task_is_submitted_and_its_instance_moves_on(client: httpx.AsyncClient, started: Ids) -> None:
    instance, task = started
    assert (await client.get(f"/tasks/{task}")).json()["status"] == "TODO"
    answer = await client.post(f"/tasks/{task}/submit", json={"output": {"approved": True}})
    assert (answer.status_code, answer.json()["status"]) == (200, "DONE")
    assert answer.json()["output"] == {"approved": True}
    found = (await client.get(f"/instances/{instance}")).json()
    assert (found["status"], found["variables"]["approved"]) == ("COMPLETED", True)
    again = await client.post(f"/tasks/{task}/submit", json={"output": {}})
    assert (again.status_code, again.json()["type"]) == (409, "urn:process-fleet:problem:task_closed")


async def test_an_unknown_task_is_404(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.get(f"/tasks/{uuid4()}"),
        await client.post(f"/tasks/{uuid4()}/submit", json={"output": {}}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:process-fleet:problem:task_unknown")


async def test_an_output_must_be_an_object(client: httpx.AsyncClient, started: Ids) -> None:
    for body in ({}, {"output": [1]}, {"output": {}, "more": 1}):
        assert (await client.post(f"/tasks/{started[1]}/submit", json=body)).status_code == 422


async def test_what_does_not_fit_the_form_is_refused_field_by_field_and_the_task_stays_open(
    client: httpx.AsyncClient, deploy: Callable[..., Awaitable[str]]
) -> None:
    body = {"process_definition_id": await deploy(FORM)}
    instance = (await client.post("/instances", json=body)).json()["process_instance_id"]
    (task,) = (await client.get("/tasks", params={"instance": instance})).json()["items"]
    answer = await client.post(f"/tasks/{task['task_id']}/submit", json={"output": {"amount": "much"}})
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:process-fleet:problem:form_invalid")
    assert {fault["field"] for fault in problem["errors"]} == {"output.amount", "output.decision"}
    assert (await client.get(f"/tasks/{task['task_id']}")).json()["status"] == "TODO"
    form = {"process_instance_id": instance, "activity_id": "decide", "form_values": {"decision": "maybe"}}
    assert (await client.post("/complete", json={"input": form})).status_code == 422
    good = {"output": {"decision": "pay", "amount": 5}}
    assert (await client.post(f"/tasks/{task['task_id']}/submit", json=good)).json()["status"] == "DONE"
