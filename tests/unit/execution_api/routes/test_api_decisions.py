import httpx
import pytest
from dmn_files import RATES

XML = {"Content-Type": "application/xml"}


async def test_decisions_are_deployed_and_read_back(client: httpx.AsyncClient) -> None:
    answer = await client.post("/decisions", content=RATES, headers=XML)
    assert answer.status_code == 201
    assert [(d["id"], d["version"], d["is_new"]) for d in answer.json()["items"]] == [("rates", 1, True)]
    assert (await client.post("/decisions", content=RATES, headers=XML)).status_code == 200
    changed = await client.post("/decisions", files={"file": ("rates.dmn", RATES.replace("&lt; 100", "&lt; 200"))})
    assert (changed.status_code, changed.json()["items"][0]["version"]) == (201, 2)
    found = (await client.get("/decisions/rates")).json()
    assert (found["version"], [v["version"] for v in found["versions"]]) == (2, [2, 1])
    assert [d["id"] for d in (await client.get("/decisions")).json()["items"]] == ["rates"]
    assert "&lt; 200" in (await client.get("/decisions/rates/xml")).text


async def test_a_decision_can_be_tried_in_any_version(client: httpx.AsyncClient) -> None:
    await client.post("/decisions", content=RATES, headers=XML)
    await client.post("/decisions", content=RATES.replace("&lt; 100", "&lt; 200"), headers=XML)
    body = {"variables": {"amount": 150}}
    newest = (await client.post("/decisions/rates/evaluate", json=body)).json()
    assert newest == {"id": "rates", "version": 2, "output": "low"}
    first = (await client.post("/decisions/rates/evaluate", json={**body, "version": 1})).json()
    assert (first["version"], first["output"]) == (1, None)
    failed = await client.post("/decisions/rates/evaluate", json={"variables": {"amount": "much"}})
    assert (failed.status_code, failed.json()["type"]) == (422, "urn:process-fleet:problem:decision_failed")


async def test_what_is_not_there_is_404_and_another_tenants_is_not_there(
    client: httpx.AsyncClient, globex: httpx.AsyncClient
) -> None:
    await client.post("/decisions", content=RATES, headers=XML)
    for who, address in ((client, "/decisions/rate"), (client, "/decisions/rate/xml"), (globex, "/decisions/rates")):
        assert (await who.get(address)).status_code == 404
    assert (await client.get("/decisions/rate")).json()["remedy"] == "Did you mean rates?"
    version = await client.post("/decisions/rates/evaluate", json={"version": 7})
    assert (version.status_code, version.json()["remedy"]) == (404, "It has 1.")


@pytest.mark.parametrize("file", ["<definitions/>", RATES.replace("FIRST", "BEST"), "no xml"])
async def test_a_file_that_is_no_decision_is_refused_with_every_problem(client: httpx.AsyncClient, file: str) -> None:
    answer = await client.post("/decisions", content=file, headers=XML)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:definition_invalid")
    assert answer.json()["errors"]


async def test_a_process_that_asks_a_missing_decision_is_refused_until_it_is_there(client: httpx.AsyncClient) -> None:
    bpmn = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t"
        xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"><process id="asks" isExecutable="true"><startEvent id="s"/>
        <businessRuleTask id="rule"><extensionElements><zeebe:calledDecision decisionId="rates" resultVariable="rate"/>
        </extensionElements></businessRuleTask><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="rule"/>
        <sequenceFlow id="g" sourceRef="rule" targetRef="e"/></process></definitions>"""
    refused = await client.post("/process-definitions", content=bpmn, headers=XML)
    assert (refused.status_code, refused.json()["errors"][0]["element_id"]) == (422, "rule")
    await client.post("/decisions", content=RATES, headers=XML)
    assert (await client.post("/process-definitions", content=bpmn, headers=XML)).status_code == 201
    start = {"process_definition_id": "asks", "variables": {"amount": 5}}
    instance = (await client.post("/instances", json=start)).json()["process_instance_id"]
    assert (await client.get(f"/instances/{instance}")).json()["variables"]["rate"] == "low"
