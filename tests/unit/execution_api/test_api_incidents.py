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
    assert (incident["task_id"], incident["error"]) == (str(task.task_id), "it broke")
    retried = (await client.post(f"/tasks/{task.task_id}/retry")).json()
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
    for path in (f"/tasks/{uuid4()}/retry", f"/instances/{uuid4()}/incidents/retry"):
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
