from collections.abc import Awaitable, Callable

import httpx
import pytest
from sample_processes import REFUND, ROBOT, process

Deploy = Callable[..., Awaitable[str]]
XML = {"Content-Type": "application/xml; charset=utf-8"}


async def test_a_definition_is_deployed_and_read_back(client: httpx.AsyncClient) -> None:
    answer = await client.post("/process-definitions", content=REFUND, headers=XML)
    assert answer.status_code == 201
    assert (answer.json()["id"], answer.json()["version"], answer.json()["is_new"]) == ("refund", 1, True)
    found = (await client.get("/process-definitions/refund")).json()
    assert (found["name"], found["version"]) == ("Refund", 1)
    assert found["versions"][0]["deployed_by"] == "api_key:ci"
    xml = await client.get("/process-definitions/refund/xml")
    assert xml.headers["content-type"].startswith("application/xml")
    assert '<bpmn:process id="refund"' in xml.text


async def test_deploying_the_same_file_again_adds_nothing(client: httpx.AsyncClient) -> None:
    await client.post("/process-definitions", content=REFUND, headers=XML)
    again = await client.post("/process-definitions", content=REFUND, headers=XML)
    assert (again.status_code, again.json()["version"], again.json()["is_new"]) == (200, 1, False)


async def test_a_changed_file_is_a_new_version_and_the_old_one_stays(client: httpx.AsyncClient, deploy: Deploy) -> None:
    await deploy(REFUND)
    await deploy(REFUND.replace("Decide the refund", "Decide"))
    found = (await client.get("/process-definitions/refund")).json()
    assert (found["version"], [v["version"] for v in found["versions"]]) == (2, [2, 1])
    assert (await client.get("/process-definitions/refund/versions/1")).json()["version"] == 1
    first = (await client.get("/process-definitions/refund/versions/1/xml")).text
    newest = (await client.get("/process-definitions/refund/xml")).text
    assert ("Decide the refund" in first, "Decide the refund" in newest) == (True, False)


async def test_the_list_shows_the_newest_version_of_each(client: httpx.AsyncClient, deploy: Deploy) -> None:
    await deploy(REFUND)
    await deploy(REFUND.replace("Decide the refund", "Decide"))
    await deploy(process("holiday", "startEvent s, userTask ask, endEvent e", "s -> ask, ask -> e"))
    items = (await client.get("/process-definitions")).json()["items"]
    assert [(item["id"], item["version"]) for item in items] == [("holiday", 1), ("refund", 2)]


async def test_a_file_can_be_sent_as_a_form(client: httpx.AsyncClient) -> None:
    answer = await client.post("/process-definitions", files={"file": ("refund.bpmn", REFUND)})
    assert (answer.status_code, answer.json()["id"]) == (201, "refund")


@pytest.mark.parametrize("form", [{"data": {"file": "text"}}, {"files": {"other": ("a.bpmn", "x")}}])
async def test_a_form_without_the_file_is_refused(client: httpx.AsyncClient, form: dict[str, object]) -> None:
    answer = await client.post("/process-definitions", headers={}, **form)  # type: ignore[arg-type]
    assert answer.status_code in {415, 422}
    assert answer.json()["field"] in {"file", "Content-Type"}


async def test_a_broken_form_is_refused(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    answer = await client.post("/process-definitions", content=b"no form", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:body_unreadable")


@pytest.mark.parametrize("media_type", [None, "application/json", "text/plain"])
async def test_another_media_type_is_refused_with_those_that_are_taken(
    client: httpx.AsyncClient, media_type: str | None
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await client.post("/process-definitions", content=REFUND.encode(), headers=headers)
    assert answer.status_code == 415
    assert "application/xml" in answer.json()["remedy"]


async def test_a_file_that_cannot_be_run_is_refused_with_every_problem_in_it(client: httpx.AsyncClient) -> None:
    wrong = process("wrong", "startEvent s, scriptTask a, businessRuleTask b, endEvent e", "s -> a, a -> b, b -> e")
    answer = await client.post("/process-definitions", content=wrong, headers=XML)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:definition_invalid")
    assert [(fault["element_id"], fault["line"]) for fault in answer.json()["errors"]] == [("a", 3), ("b", 3)]
    assert (await client.get("/process-definitions")).json()["items"] == []


@pytest.mark.parametrize("content", [b"", b"no xml", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
async def test_what_is_no_bpmn_is_refused(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/process-definitions", content=content, headers=XML)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:definition_invalid")


async def test_an_orchestrator_that_no_pod_serves_is_refused_with_those_that_are(
    client: httpx.AsyncClient, start_pod: Callable[..., Awaitable[object]]
) -> None:
    await start_pod(serves=("browser",))
    answer = await client.post("/process-definitions", content=ROBOT, headers=XML)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:orchestrator_unknown")
    assert "echo" in answer.json()["detail"]
    assert "browser" in answer.json()["remedy"]


@pytest.mark.parametrize("rest", ["", "/xml", "/versions/1", "/versions/1/xml"])
async def test_an_unknown_definition_is_404_with_near_names(
    client: httpx.AsyncClient, deploy: Deploy, rest: str
) -> None:
    await deploy()
    answer = await client.get(f"/process-definitions/refnd{rest}")
    assert (answer.status_code, answer.json()["remedy"]) == (404, "Did you mean refund?")


async def test_an_unknown_version_is_404_with_the_known_ones(client: httpx.AsyncClient, deploy: Deploy) -> None:
    await deploy()
    answer = await client.get("/process-definitions/refund/versions/3")
    assert (answer.status_code, answer.json()["remedy"]) == (404, "It has 1.")
