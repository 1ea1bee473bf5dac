"""Forks, moves and bulk repairs over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
from sample_processes import ROBOT, SIDE_BY_SIDE, process

Deploy = Callable[..., Awaitable[str]]
StartPod = Callable[..., Awaitable[Any]]
TWO = process("two", "startEvent s, userTask a, userTask b, endEvent e", "s -> a, a -> b, b -> e")


async def start(client: httpx.AsyncClient, definition: str, **variables: Any) -> str:
    answer = await client.post("/instances", json={"process_definition_id": definition, "variables": variables})
    assert answer.status_code == 201, answer.text
    return answer.json()["process_instance_id"]


async def submit(client: httpx.AsyncClient, instance: str, **output: Any) -> str:
    [task] = (await client.get("/tasks", params={"instance": instance})).json()["items"]
    await client.post(f"/tasks/{task['task_id']}/submit", json={"output": output})
    return task["task_id"]


async def test_an_instance_is_forked_from_a_task_and_shows_where_it_came_from(
    client: httpx.AsyncClient, deploy: Deploy
) -> None:
    instance = await start(client, await deploy(TWO), n=1)
    task = await submit(client, instance, n=2)
    await submit(client, instance)
    asked = {"task_id": task, "reason": "The wrong year.", "variables": {"year": 2026}}
    key = {"Idempotency-Key": "fork-1"}
    made = await client.post(f"/instances/{instance}/fork", json=asked, headers=key)
    fork = made.json()["process_instance_id"]
    assert (made.status_code, made.headers["location"]) == (201, f"/instances/{fork}")
    again = await client.post(f"/instances/{instance}/fork", json=asked, headers=key)
    assert (again.json()["process_instance_id"], again.headers["idempotency-replayed"]) == (fork, "true")
    shown = (await client.get(f"/instances/{fork}")).json()
    assert (shown["forked_from"], shown["forked_step"], shown["status"]) == (instance, 2, "RUNNING")
    assert shown["variables"] == {"n": 1, "initiator": "api_key:ci", "year": 2026}
    await submit(client, fork)
    steps = (await client.get(f"/instances/{fork}/steps")).json()["items"]
    told = [(step["proc_inst_id"], step["step"], step["kind"], step["activity_id"]) for step in steps]
    assert told == [(instance, 1, "start", None), (fork, 1, "fork", None), (fork, 2, "task", "a")]


async def test_a_fork_needs_one_moment_that_is_known(client: httpx.AsyncClient, deploy: Deploy) -> None:
    instance = await start(client, await deploy(TWO))
    fork = f"/instances/{instance}/fork"
    for moment in ({}, {"step": 2, "task_id": str(uuid4())}, {"step": 1}):
        assert (await client.post(fork, json={**moment, "reason": "why"})).status_code == 422
    unknown = await client.post(fork, json={"step": 9, "reason": "why"})
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:process-fleet:problem:step_unknown")
    await submit(client, instance)
    await submit(client, instance)
    ended = await client.post(fork, json={"step": 4, "reason": "why"})
    assert (ended.status_code, ended.json()["type"]) == (409, "urn:process-fleet:problem:nothing_open")


async def test_a_token_is_moved_or_it_is_said_why_not(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    await start_pod()
    instance = await start(client, await deploy(SIDE_BY_SIDE))
    move = f"/instances/{instance}/move"
    refused = await client.post(move, json={"from": "check", "to": "e", "reason": "why"})
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:process-fleet:problem:join")
    assert "the join 'join' would wait for a token from check" in refused.json()["detail"]
    assert (await client.post(move, json={"from": "check", "to": "join"})).status_code == 422
    done = await client.post(move, json={"from": "check", "to": "join", "reason": "Checked by phone."})
    assert done.json() == {"process_instance_id": instance, "step": 2}
    [event] = (await client.get(f"/instances/{instance}/events", params={"type": "TOKEN_MOVED"})).json()["items"]
    assert (event["actor"], event["message"]) == ("api_key:ci", "Checked by phone.")


async def test_what_belongs_to_another_tenant_is_not_repaired(
    client: httpx.AsyncClient, globex: httpx.AsyncClient, deploy: Deploy
) -> None:
    instance = await start(client, await deploy(TWO))
    why = {"reason": "theirs"}
    assert (await globex.get(f"/instances/{instance}/steps")).status_code == 404
    assert (await globex.post(f"/instances/{instance}/fork", json={**why, "step": 2})).status_code == 404
    assert (await globex.post(f"/instances/{instance}/move", json={**why, "from": "a", "to": "b"})).status_code == 404
    asked = {**why, "action": "move", "process_definition_id": "two", "from": "a", "to": "b", "status": "RUNNING"}
    assert (await globex.post("/repairs", json=asked)).json()["items"] == []


async def test_many_incidents_are_retried_page_by_page_after_a_dry_run(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    pod = await start_pod()
    await deploy(ROBOT)
    for _ in range(3):
        await start(client, "robot")
        task = await pod.claim()
        call = {"kind": "chat", "name": "gpt", "request": {"body": {}, "parts": []}, "outcome": "ok", "occurrence": 1}
        numbers = {"input_tokens": 3, "output_tokens": 1, "cost_usd": "0.25", "latency_ms": 7, "replayable": True}
        answer = {"response": {"body": {}, "parts": []}, "call_key": "a"}
        await pod.kernel.record_call(task, {**call, **numbers, **answer})
        await pod.end(task, "failed", reason="it broke", retryable=False, log_tail=None)
    asked = {"action": "retry_from_scratch", "reason": "astray", "process_definition_id": "robot", "most": 2}
    dry = (await client.post("/repairs", json=asked)).json()
    assert ([item["outcome"] for item in dry["items"]], dry["done"], dry["dry_run"]) == (["would"] * 2, 0, True)
    assert (dry["paid_again"]["cost_usd"], dry["paid_again"]["model_calls"]) == ("0.50000000", 2)
    assert len((await client.get("/incidents")).json()["items"]) == 3
    done = (await client.post("/repairs", json={**asked, "dry_run": False})).json()
    assert (done["done"], done["paid_again"], done["next"]) == (2, dry["paid_again"], dry["next"])
    assert [item["incident_id"] for item in done["items"]] == [item["incident_id"] for item in dry["items"]]
    rest = (await client.post("/repairs", json={**asked, "dry_run": False, "before": done["next"]})).json()
    assert (rest["done"], rest["next"]) == (1, None)
    assert (await client.get("/incidents")).json()["items"] == []


async def test_many_tokens_are_moved_and_each_refusal_is_told(client: httpx.AsyncClient, deploy: Deploy) -> None:
    definition = await deploy(TWO)
    first, second = [await start(client, definition) for _ in range(2)]
    await submit(client, first)
    asked = {"action": "move", "reason": "skip", "process_definition_id": "two", "from": "a", "to": "e"}
    for dry_run, word in ((True, "would"), (False, "done")):
        answer = (await client.post("/repairs", json={**asked, "status": "RUNNING", "dry_run": dry_run})).json()
        told = [(item["process_instance_id"], item["outcome"]) for item in answer["items"]]
        assert told == [(second, word), (first, "refused")]
        assert answer["items"][1]["detail"] == "No token is at 'a'."
    assert (await client.get(f"/instances/{second}")).json()["status"] == "COMPLETED"


async def test_a_bulk_repair_without_a_filter_or_with_what_does_not_fit_is_refused(client: httpx.AsyncClient) -> None:
    why = {"reason": "why"}
    for wrong in (
        {"action": "retry"},
        {"action": "retry", "process_definition_id": "x", "to": "b"},
        {"action": "move", "process_definition_id": "x", "from": "a"},
        {"action": "move", "process_definition_id": "x", "from": "a", "to": "b", "queue": "echo"},
        {"action": "explode", "process_definition_id": "x"},
    ):
        assert (await client.post("/repairs", json={**why, **wrong})).status_code == 422, wrong
