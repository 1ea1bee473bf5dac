"""What failed is listed and taken up again."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
from sample_processes import ROBOT, SIDE_BY_SIDE, process

Deploy = Callable[..., Awaitable[str]]
StartPod = Callable[..., Awaitable[Any]]


async def start(client: httpx.AsyncClient, definition: str, **variables: Any) -> dict[str, Any]:
    answer = await client.post("/instances", json={"process_definition_id": definition, "variables": variables})
    assert answer.status_code == 201, answer.text
    return answer.json()["links"]


async def test_a_failed_task_is_an_incident_and_is_retried_as_it_was(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    pod = await start_pod()
    links = await start(client, await deploy(ROBOT))
    task = await pod.claim()
    await pod.end(task, "failed", reason="it broke", retryable=False, log_tail="line", output={"half": 1})
    [incident] = (await client.get("/incidents", params={"queue": "echo", "definition": "robot"})).json()["items"]
    assert (incident["task_id"], incident["error"], incident["kind"]) == (str(task.task_id), "it broke", "task")
    assert (await client.get(f"/incidents/{incident['incident_id']}")).json() == incident
    retried = (await client.post(f"/incidents/{incident['incident_id']}/retry")).json()
    assert (retried["paid_again"], retried["effects"]) == (None, [])
    retried = retried["task"]
    assert (retried["status"], retried["attempt"], retried["error"], retried["output"]) == ("PENDING", 0, None, None)
    instance = (await client.get(links["instance"])).json()
    assert (instance["status"], instance["error"]) == ("RUNNING", None)
    assert (await client.get("/incidents")).json()["items"] == []
    again = await pod.claim()
    assert (again.task_id, again.attempt) == (task.task_id, 1)
    assert again.fencing_token > task.fencing_token
    [event] = (await client.get(links["events"], params={"type": "INCIDENT_RETRIED"})).json()["items"]
    assert (event["actor"], event["data"]["error"]) == ("api_key:ci", "it broke")


async def test_an_instance_stays_in_error_until_its_last_incident_is_retried(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    pod = await start_pod()
    two = SIDE_BY_SIDE.replace("side_by_side", "two_robots").replace("userTask", "serviceTask").replace(
        'name="check">', 'name="check"><bpmn:extensionElements><zeebe:taskDefinition type="echo" />'
        "</bpmn:extensionElements>",
    )  # fmt: skip
    links = await start(client, await deploy(two))
    tasks = [await pod.claim(), await pod.claim()]
    for task in tasks:
        await pod.end(task, "failed", reason="it broke", retryable=False, log_tail=None)
    await client.post(f"/tasks/{tasks[0].task_id}/retry")
    assert (await client.get(links["instance"])).json()["status"] == "ERROR"
    answer = await client.post(links["retry"])
    assert [task["task_id"] for task in answer.json()["items"]] == [str(tasks[1].task_id)]
    assert (await client.get(links["instance"])).json()["status"] == "RUNNING"
    nothing = await client.post(links["retry"])
    assert (nothing.status_code, nothing.json()["type"]) == (409, "urn:process-fleet:problem:no_incident")


PAID_CALL = {
    "kind": "chat", "name": "pay", "request": {"body": {}, "parts": []}, "response": {"body": {}, "parts": []},
    "outcome": "ok", "input_tokens": 3, "output_tokens": 1, "cost_usd": "0.25", "latency_ms": 7, "occurrence": 1,
    "replayable": True,
}  # fmt: skip
STARTED_BY_MESSAGE = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="file" targetNamespace="test">
  <bpmn:process id="asked" isExecutable="true"><bpmn:startEvent id="s"><bpmn:extensionElements><zeebe:ioMapping>
    <zeebe:output source="=amount * 2" target="x"/></zeebe:ioMapping></bpmn:extensionElements>
    <bpmn:messageEventDefinition messageRef="m"/></bpmn:startEvent><bpmn:userTask id="a"/><bpmn:endEvent id="e"/>
    <bpmn:sequenceFlow id="f" sourceRef="s" targetRef="a"/><bpmn:sequenceFlow id="g" sourceRef="a" targetRef="e"/>
  </bpmn:process><bpmn:message id="m" name="asked"/></bpmn:definitions>"""
CHECK_THEN_BRANCH = process(
    "check_then_branch",
    "startEvent s, userTask check, exclusiveGateway x, userTask more, endEvent e",
    "s -> check, check -> x, x -> more [amount > 10], x -> e [amount <= 10], more -> e",
)


async def test_what_a_person_had_entered_becomes_their_draft(client: httpx.AsyncClient, deploy: Deploy) -> None:
    links = await start(client, await deploy(CHECK_THEN_BRANCH))
    [task] = (await client.get("/tasks")).json()["items"]
    submit = f"/tasks/{task['task_id']}/submit"
    refused = await client.post(f"/tasks/{task['task_id']}/retry")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:process-fleet:problem:task_not_failed")
    assert (await client.post(submit, json={"output": {"note": "hi"}})).json()["status"] == "FAILED"
    retried = (await client.post(f"/tasks/{task['task_id']}/retry")).json()
    assert (retried["status"], retried["draft"], retried["submitted_by"]) == ("TODO", {"note": "hi"}, None)
    await client.post(submit, json={"output": {"note": "hi", "amount": 5}})
    assert (await client.get(links["instance"])).json()["status"] == "COMPLETED"


async def test_incidents_of_another_tenant_are_404(client: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    for path in (
        f"/tasks/{uuid4()}/retry", f"/instances/{uuid4()}/incidents/retry", f"/incidents/{uuid4()}/retry"
    ):  # fmt: skip
        for asking in (client, globex):
            assert (await asking.post(path)).status_code == 404


async def test_a_retried_task_of_an_orchestrator_that_is_gone_is_refused(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod, owner: Any
) -> None:
    pod = await start_pod()
    await start(client, await deploy(ROBOT))
    task = await pod.claim()
    await pod.end(task, "failed", reason="it broke", retryable=False, log_tail=None)
    owner.execute("delete from agent_orch")
    answer = await client.post(f"/tasks/{task.task_id}/retry")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:process-fleet:problem:orchestrator_unknown")


async def test_a_retry_from_scratch_says_what_is_paid_and_done_again(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    pod = await start_pod()
    links = await start(client, await deploy(ROBOT), amount=3)
    task = await pod.claim()
    await pod.kernel.record_call(task, {**PAID_CALL, "call_key": "a"})
    await pod.kernel.record_call(task, {**PAID_CALL, "call_key": "b", "kind": "tool", "cost_usd": "0"})
    await pod.end(task, "failed", reason="it broke", retryable=False, log_tail=None)
    retry = f"/incidents/{task.task_id}/retry"
    refused = await client.post(retry, json={"from_scratch": True})
    assert (refused.status_code, "reason is missing" in refused.text) == (422, True)
    asked = {"from_scratch": True, "reason": "It went astray.", "variables": {"amount": 5}}
    done = (await client.post(retry, json=asked)).json()
    assert done["paid_again"] == {
        "model_calls": 1, "tool_calls": 1, "input_tokens": 6, "output_tokens": 2, "cost_usd": "0.25000000"
    }  # fmt: skip
    assert [(effect["name"], effect["outcome"]) for effect in done["effects"]] == [("pay", "ok")]
    assert (done["task"]["status"], done["task"]["input"]) == ("PENDING", {"amount": 5, "initiator": "api_key:ci"})
    [event] = (await client.get(links["events"], params={"type": "INCIDENT_RETRIED"})).json()["items"]
    assert event["data"]["reason"] == "It went astray." and event["data"]["from_scratch"] is True


async def test_an_event_that_cannot_start_an_instance_is_listed_and_discarded(
    client: httpx.AsyncClient, deploy: Deploy, app: Any
) -> None:
    await deploy(STARTED_BY_MESSAGE)
    await client.post("/messages", json={"name": "asked", "variables": {}})
    incidents: list[dict[str, Any]] = []
    while not incidents:
        incidents = (await client.get("/incidents", params={"kind": "start"})).json()["items"]
    [incident] = incidents
    assert (incident["process_definition_id"], incident["activity_id"], incident["proc_inst_id"]) == (
        "asked",
        "s",
        None,
    )
    discard = f"/incidents/{incident['incident_id']}/discard"
    assert (await client.post(discard, json={"reason": "A test."})).json() == incident
    assert (await client.post(discard, json={"reason": "A test."})).status_code == 404
    assert (await client.get("/incidents")).json()["items"] == []
