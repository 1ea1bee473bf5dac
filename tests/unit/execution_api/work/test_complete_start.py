from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from places import Place
from sample_processes import NEEDS_AMOUNT, NOTHING_TO_DO, SIDE_BY_SIDE
from user_tokens import user_token

Deploy = Callable[..., Awaitable[str]]


async def complete(client: httpx.AsyncClient, given: dict[str, Any], **options: Any) -> httpx.Response:
    return await client.post("/complete", json={"input": {"process_instance_id": "new", **given}}, **options)


async def test_new_starts_an_instance_and_shows_the_task_that_waits(client: httpx.AsyncClient, deploy: Deploy) -> None:
    definition = await deploy()
    answer = await complete(client, {"process_definition_id": definition, "form_values": {"order": "4711"}})
    assert answer.status_code == 202
    shown = answer.json()
    assert (shown["process_definition_id"], shown["version"], shown["status"]) == ("refund", 1, "RUNNING")
    assert shown["variables"] == {"order": "4711", "initiator": "api_key:ci"}
    assert (shown["task"]["activity_id"], shown["task"]["status"]) == ("decide", "TODO")
    assert shown["tasks"] == [shown["task"]]
    instance = (await client.get(shown["links"]["instance"])).json()
    assert instance["id"] == shown["process_instance_id"]


@pytest.mark.parametrize(
    ("given", "variables"),
    [
        ({"form_values": {"order": "1", "address": {"city": "Seoul"}}}, {"order": "1", "address": {"city": "Seoul"}}),
        ({"form_values": {"leave": {"days": 3}, "person": {"name": "Kim"}}}, {"days": 3, "name": "Kim"}),
        ({"form_values": {"leave": {}}}, {}),
        ({"form_values": {}}, {}),
        (
            {"form_values": {"leave": {"days": 3}}, "variables": {"days": 3, "plan": {"a": 1}}},
            {"days": 3, "plan": {"a": 1}},
        ),
        ({"variables": {"address": {"city": "Seoul"}}}, {"address": {"city": "Seoul"}}),
    ],
)
async def test_form_values_become_variables_by_field_or_by_form(
    client: httpx.AsyncClient, deploy: Deploy, given: dict[str, Any], variables: dict[str, Any]
) -> None:
    answer = await complete(client, {"process_definition_id": await deploy(), "email": "kim@acme.test", **given})
    assert answer.json()["variables"] == {**variables, "initiator": "kim@acme.test"}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"form_values": {"a": {"days": 3}, "b": {"days": 4}}}, "input.form_values.days"),
        ({"form_values": {"days": 3}, "variables": {"days": 4}}, "input.form_values.days"),
        ({"form_values": {"initiator": "eve@acme.test"}}, "input.form_values.initiator"),
        ({"form_values": [1]}, "input.form_values"),
        ({"process_definition_id": None}, "input.process_definition_id"),
        ({"process_instance_id": "newest"}, "input.process_instance_id"),
        ({"task_id": str(uuid4())}, "input.task_id"),
        ({"version": 0}, "input.version"),
        ({"email": ""}, "input.email"),
        ({"formvalues": {}}, "input.formvalues"),
    ],
)
async def test_what_cannot_be_started_is_refused_by_field(
    client: httpx.AsyncClient, deploy: Deploy, given: dict[str, Any], field: str
) -> None:
    answer = await complete(client, {"process_definition_id": await deploy(), **given})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert (await client.get("/instances")).json()["items"] == []


async def test_an_unknown_definition_is_404_and_near_names_are_told(client: httpx.AsyncClient, deploy: Deploy) -> None:
    await deploy()
    answer = await complete(client, {"process_definition_id": "refnud"})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:process-fleet:problem:definition_unknown")
    assert "refund" in answer.json()["remedy"]


async def test_an_unknown_version_is_404_and_the_known_ones_are_told(client: httpx.AsyncClient, deploy: Deploy) -> None:
    answer = await complete(client, {"process_definition_id": await deploy(), "version": 7})
    assert (answer.status_code, answer.json()["remedy"]) == (404, "It has 1.")


async def test_variables_on_which_the_process_cannot_go_on_are_refused_with_the_element(
    client: httpx.AsyncClient, deploy: Deploy
) -> None:
    answer = await complete(client, {"process_definition_id": await deploy(NEEDS_AMOUNT)})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:step_failed")
    assert answer.json()["errors"][0]["element_id"]
    assert (await client.get("/instances")).json()["items"] == []


async def test_an_instance_without_tasks_is_completed_at_once(client: httpx.AsyncClient, deploy: Deploy) -> None:
    shown = (await complete(client, {"process_definition_id": await deploy(NOTHING_TO_DO)})).json()
    assert (shown["status"], shown["task"], shown["tasks"]) == ("COMPLETED", None, [])


async def test_activity_id_chooses_which_of_the_new_tasks_is_shown(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: Callable[..., Awaitable[object]]
) -> None:
    await start_pod()
    definition = await deploy(SIDE_BY_SIDE)
    for activity in ("work", "check"):
        shown = (await complete(client, {"process_definition_id": definition, "activity_id": activity})).json()
        assert shown["task"]["activity_id"] == activity
        assert {task["activity_id"] for task in shown["tasks"]} == {"work", "check"}


async def test_fields_of_other_clients_are_accepted_and_named_as_unused(
    client: httpx.AsyncClient, deploy: Deploy
) -> None:
    given = {"project_id": None, "role_mappings": [{"name": "n", "endpoint": "e"}], "chat_room_id": "7", "version": "1"}
    shown = (await complete(client, {"process_definition_id": await deploy(), **given})).json()
    assert shown["unused"] == ["role_mappings", "project_id", "chat_room_id"]


async def test_the_tenant_in_the_body_must_be_that_of_the_credentials(
    client: httpx.AsyncClient, deploy: Deploy, place: Place
) -> None:
    given = {"process_definition_id": await deploy()}
    assert (await complete(client, {**given, "tenant_id": place.tenant})).status_code == 202
    answer = await complete(client, {**given, "tenant_id": place.other_tenant})
    assert (answer.status_code, answer.json()["field"]) == (403, "input.tenant_id")


@pytest.mark.parametrize(
    ("address", "body", "field"),
    [
        ("/complete", {"input": {"process_instance_id": "new", "email": "eve@acme.test"}}, "input.email"),
        ("/instances", {"initiator": "eve@acme.test"}, "initiator"),
    ],
)
async def test_a_user_cannot_start_in_somebody_elses_name(
    anybody: httpx.AsyncClient, deploy: Deploy, place: Place, address: str, body: dict[str, Any], field: str
) -> None:
    body.get("input", body)["process_definition_id"] = await deploy()
    answer = await anybody.post(address, json=body, headers={"Authorization": f"Bearer {user_token(place.tenant)}"})
    assert (answer.status_code, answer.json()["field"]) == (403, field)


async def test_a_user_may_name_themselves_in_any_case(anybody: httpx.AsyncClient, deploy: Deploy, place: Place) -> None:
    given = {"process_definition_id": await deploy(), "email": "Ann@acme.test"}
    answer = await complete(anybody, given, headers={"Authorization": f"Bearer {user_token(place.tenant)}"})
    assert answer.json()["variables"]["initiator"] == "ann@acme.test"
