from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sample_processes import NEEDS_AMOUNT, SIDE_BY_SIDE, TWO_REVIEWS, process

Deploy = Callable[..., Awaitable[str]]
Ids = tuple[UUID, UUID]


async def complete(client: httpx.AsyncClient, instance: object, **given: Any) -> httpx.Response:
    return await client.post("/complete", json={"input": {"process_instance_id": str(instance), **given}})


async def start(client: httpx.AsyncClient, definition: str, **given: Any) -> str:
    return (await complete(client, "new", process_definition_id=definition, **given)).json()["process_instance_id"]


async def test_the_open_task_of_an_activity_is_submitted(client: httpx.AsyncClient, started: Ids) -> None:
    instance, task = started
    answer = await complete(client, instance, activity_id="decide", form_values={"form": {"approved": True}})
    assert answer.status_code == 202
    shown = answer.json()
    assert (shown["status"], shown["tasks"]) == ("COMPLETED", [])
    assert shown["task"]["task_id"] == str(task)
    assert (shown["task"]["status"], shown["task"]["output"]) == ("DONE", {"approved": True})
    assert shown["task"]["submitted_by"] == "api_key:ci"
    assert shown["variables"]["approved"] is True


async def test_a_task_is_submitted_by_its_id(client: httpx.AsyncClient, started: Ids) -> None:
    instance, task = started
    shown = (await complete(client, instance, task_id=str(task), activity_id="ignored")).json()
    assert shown["task"]["task_id"] == str(task)
    assert shown["status"] == "COMPLETED"


async def test_what_means_something_for_a_start_alone_is_named_as_unused(
    client: httpx.AsyncClient, started: Ids
) -> None:
    shown = (await complete(client, started[0], activity_id="decide", email="a@b.test", answer="yes", version=1)).json()
    assert shown["unused"] == ["answer", "email", "version"]


async def test_submitting_opens_the_next_task(client: httpx.AsyncClient, deploy: Deploy) -> None:
    two = process("two", "startEvent s, userTask a, userTask b, endEvent e", "s -> a, a -> b, b -> e")
    instance = await start(client, await deploy(two))
    shown = (await complete(client, instance, activity_id="a")).json()
    assert [task["activity_id"] for task in shown["tasks"]] == ["b"]


@pytest.mark.parametrize("by", ["activity_id", "task_id"])
async def test_a_closed_task_is_409_and_says_so(client: httpx.AsyncClient, started: Ids, by: str) -> None:
    instance, task = started
    named = {by: "decide" if by == "activity_id" else str(task)}
    await complete(client, instance, **named)
    answer = await complete(client, instance, **named)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:process-fleet:problem:task_closed")
    assert f"Task {task} is DONE" in answer.json()["detail"]


async def test_a_task_that_an_agent_works_on_is_409(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: Callable[..., Awaitable[object]]
) -> None:
    await start_pod()
    instance = await start(client, await deploy(SIDE_BY_SIDE))
    answer = await complete(client, instance, activity_id="work")
    assert answer.status_code == 409
    assert "PENDING" in answer.json()["detail"]


async def test_an_unknown_instance_task_or_activity_is_404(client: httpx.AsyncClient, started: Ids) -> None:
    instance, _ = started
    unknown = await complete(client, uuid4(), activity_id="decide")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:process-fleet:problem:instance_unknown")
    unknown = await complete(client, instance, task_id=str(uuid4()))
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:process-fleet:problem:task_unknown")
    unknown = await complete(client, instance, activity_id="dicede")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:process-fleet:problem:activity_unknown")
    assert unknown.json()["remedy"] == "Waiting for a person: decide."


async def test_a_task_of_another_instance_is_404(client: httpx.AsyncClient, started: Ids, deploy: Deploy) -> None:
    other = await start(client, await deploy())
    assert (await complete(client, other, task_id=str(started[1]))).status_code == 404


async def test_without_task_and_activity_the_open_activities_are_told(client: httpx.AsyncClient, started: Ids) -> None:
    answer = await complete(client, started[0])
    assert (answer.status_code, answer.json()["field"]) == (422, "input.activity_id")
    assert answer.json()["remedy"] == "Waiting for a person: decide."


async def test_a_definition_that_is_not_the_instances_is_refused(client: httpx.AsyncClient, started: Ids) -> None:
    answer = await complete(client, started[0], activity_id="decide", process_definition_id="holiday")
    assert (answer.status_code, answer.json()["field"]) == (422, "input.process_definition_id")
    accepted = await complete(client, started[0], activity_id="decide", process_definition_id="refund")
    assert accepted.status_code == 202


async def test_an_activity_with_two_open_tasks_is_ambiguous_and_both_are_named(
    client: httpx.AsyncClient, deploy: Deploy
) -> None:
    instance = await start(client, await deploy(TWO_REVIEWS))
    tasks = (await client.get("/tasks", params={"instance": instance})).json()["items"]
    answer = await complete(client, instance, activity_id="review")
    assert (answer.status_code, answer.json()["field"]) == (409, "input.task_id")
    assert len(tasks) == 2
    assert all(task["task_id"] in answer.json()["remedy"] for task in tasks)
    assert (await complete(client, instance, task_id=tasks[0]["task_id"])).status_code == 202


async def test_an_output_on_which_the_process_cannot_go_on_is_an_incident(
    client: httpx.AsyncClient, deploy: Deploy
) -> None:
    choosing = process(
        "choosing",
        "startEvent s, userTask ask, exclusiveGateway x, userTask big, endEvent e",
        "s -> ask, ask -> x, x -> big [amount > 10], x -> e [amount <= 10], big -> e",
    )
    instance = await start(client, await deploy(choosing))
    shown = (await complete(client, instance, activity_id="ask", form_values={"amount": None})).json()
    assert (shown["status"], shown["task"]["status"]) == ("ERROR", "FAILED")
    assert shown["error"]
    assert [task["task_id"] for task in shown["tasks"]] == [shown["task"]["task_id"]]


async def test_values_choose_the_branch(client: httpx.AsyncClient, deploy: Deploy) -> None:
    definition = await deploy(NEEDS_AMOUNT)
    small = await complete(client, "new", process_definition_id=definition, form_values={"amount": 9})
    large = await complete(client, "new", process_definition_id=definition, form_values={"amount": 11})
    assert (small.json()["status"], large.json()["status"]) == ("COMPLETED", "RUNNING")
