import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sample_processes import ROBOT, ROBOT_THEN_PERSON, SIDE_BY_SIDE

from execution_api.work.waiting import settle
from kernel.functions import Kernel
from kernel.models import TaskStatus
from process_engine.committing.advance import step_after

Deploy = Callable[..., Awaitable[str]]
StartPod = Callable[..., Awaitable[Any]]


def complete(client: httpx.AsyncClient, wait: float, **given: Any) -> "asyncio.Task[httpx.Response]":
    body = {"input": {"process_instance_id": "new", **given}}
    return asyncio.create_task(client.post("/complete", params={"wait": wait}, json=body))


async def claim(pod: Any) -> Any:
    """The next task, as soon as there is one."""
    async with asyncio.timeout(30):
        while True:
            if task := await pod.next():
                return task


async def work(pod: Any, kernel: Kernel, output: dict[str, Any]) -> None:
    task = await claim(pod)
    step, _ = await step_after(kernel, task, output)
    await pod.end(task, output=output, step=step)


async def test_the_answer_is_held_until_the_instance_is_completed(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    answering = complete(client, 60, process_definition_id=await deploy(ROBOT))
    await work(pod, kernel_api, {"text": "done"})
    answer = await answering
    assert (answer.status_code, answer.json()["status"]) == (200, "COMPLETED")
    assert answer.json()["variables"]["text"] == "done"


async def test_the_answer_is_held_until_a_person_is_needed(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    answering = complete(client, 60, process_definition_id=await deploy(ROBOT_THEN_PERSON))
    await work(pod, kernel_api, {})
    answer = await answering
    assert (answer.status_code, answer.json()["status"]) == (200, "RUNNING")
    assert [(task["activity_id"], task["status"]) for task in answer.json()["tasks"]] == [("check", "TODO")]


async def test_a_person_who_is_needed_does_not_end_the_wait_while_an_agent_works(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod, kernel_api: Kernel
) -> None:
    pod = await start_pod()
    answering = complete(client, 60, process_definition_id=await deploy(SIDE_BY_SIDE))
    await work(pod, kernel_api, {"text": "from the agent"})
    answer = await answering
    assert answer.status_code == 200
    assert [task["activity_id"] for task in answer.json()["tasks"]] == ["check"]
    assert answer.json()["variables"]["text"] == "from the agent"


async def test_the_answer_is_held_until_the_instance_is_in_error(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    pod = await start_pod()
    answering = complete(client, 60, process_definition_id=await deploy(ROBOT))
    await pod.end(await claim(pod), "failed", reason="no luck", retryable=False, log_tail="")
    answer = await answering
    assert (answer.status_code, answer.json()["status"]) == (200, "ERROR")
    assert "no luck" in answer.json()["error"]


async def test_the_answer_is_held_until_the_instance_is_cancelled(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    pod = await start_pod()
    answering = complete(client, 60, process_definition_id=await deploy(ROBOT))
    task = await claim(pod)
    await client.post(f"/instances/{task.proc_inst_id}/cancel", json={"reason": "no longer needed"})
    answer = await answering
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


async def test_when_the_seconds_are_over_the_answer_is_202(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    await start_pod()
    answer = await complete(client, 0.01, process_definition_id=await deploy(ROBOT))
    assert (answer.status_code, answer.json()["status"]) == (202, "RUNNING")
    assert answer.json()["tasks"][0]["status"] == "PENDING"


async def test_a_program_that_ends_answers_those_who_wait(
    app: FastAPI, client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    pod = await start_pod()
    answering = complete(client, 300, process_definition_id=await deploy(ROBOT))
    await claim(pod)
    app.state.services.stopping.set()
    assert (await answering).status_code == 202


async def test_a_wait_ends_when_the_caller_has_gone(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod, kernel_api: Kernel
) -> None:
    await start_pod()
    shown = (await complete(client, 0, process_definition_id=await deploy(ROBOT))).json()
    asked = 0

    async def gone() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    standing = await settle(kernel_api, UUID(shown["process_instance_id"]), 300, asyncio.Event(), gone)
    assert not standing.is_settled
    assert [task.status for task in standing.open_tasks] == [TaskStatus.PENDING]
    assert asked == 3
