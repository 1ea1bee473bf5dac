"""Operators cancel work of a scope and hold it back with kill switches."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from places import Place
from sample_processes import ROBOT
from user_tokens import user_token

Deploy = Callable[..., Awaitable[str]]
StartPod = Callable[..., Awaitable[Any]]
Started = tuple[UUID, UUID]
WHY = {"reason": "It runs wild."}


async def start(client: httpx.AsyncClient, definition: str) -> str:
    answer = await client.post("/instances", json={"process_definition_id": definition})
    return answer.json()["process_instance_id"]


async def test_the_work_of_an_orchestrator_is_cancelled_after_a_dry_run(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    pod = await start_pod()
    robot = await deploy(ROBOT)
    ids = [await start(client, robot) for _ in range(3)]
    task = await pod.claim()
    counts = {"input_tokens": 0, "output_tokens": 0, "cost_usd": "0", "latency_ms": 1}
    call = {"kind": "tool", "name": "send_mail", "request": {}, "response": {}, "outcome": "ok", "idempotent": False}
    await pod.kernel.record_call(task, {**call, **counts})
    asked = {"scope": "orchestrator", "key": "echo", **WHY}
    would = (await client.post("/cancellations", json=asked)).json()
    assert (would["dry_run"], would["cancelled"], would["running"]) == (True, 0, 1)
    assert would["instances"][0] == str(task.proc_inst_id) and sorted(would["instances"]) == sorted(ids)
    one = (await client.post("/cancellations", json={**asked, "dry_run": False, "most": 1})).json()
    assert (one["cancelled"], one["is_complete"], one["instances"]) == (1, False, [str(task.proc_inst_id)])
    assert [(effect["name"], effect["task_id"]) for effect in one["effects"]] == [("send_mail", str(task.task_id))]
    rest = (await client.post("/cancellations", json={**asked, "dry_run": False})).json()
    assert (rest["cancelled"], rest["is_complete"], rest["effects"]) == (2, True, [])
    assert {(await client.get(f"/instances/{i}")).json()["status"] for i in ids} == {"CANCELLED"}
    events = (await client.get(f"/instances/{task.proc_inst_id}/events")).json()["items"]
    told = [(e["event_type"], e["actor"], e["message"]) for e in events[-2:]]
    assert told == [
        ("TASK_CANCELLED", "api_key:ci", WHY["reason"]),
        ("INSTANCE_CANCELLED", "api_key:ci", WHY["reason"]),
    ]


async def test_one_task_or_one_instance_is_cancelled(client: httpx.AsyncClient, started: Started) -> None:
    instance_id, task_id = started
    asked = {"scope": "task", "key": str(task_id), **WHY, "dry_run": False}
    answer = (await client.post("/cancellations", json=asked)).json()
    assert (answer["tasks"], answer["instances"], answer["cancelled"]) == ([str(task_id)], [], 1)
    instance = (await client.get(f"/instances/{instance_id}")).json()
    assert (instance["status"], instance["tasks"][0]["status"]) == ("ERROR", "CANCELLED")
    assert instance["tasks"][0]["cancelled_by"] == "api_key:ci"
    again = await client.post("/cancellations", json=asked)
    assert (again.status_code, again.json()["type"]) == (409, "urn:process-fleet:problem:task_closed")
    whole = {"scope": "instance", "key": str(instance_id), **WHY, "dry_run": False}
    assert (await client.post("/cancellations", json=whole)).json()["instances"] == [str(instance_id)]
    again = await client.post("/cancellations", json=whole)
    assert (again.status_code, again.json()["type"]) == (409, "urn:process-fleet:problem:instance_closed")


async def test_a_tenants_cancel_ends_its_own_work_alone(
    client: httpx.AsyncClient, globex: httpx.AsyncClient, started: Started
) -> None:
    asked = {"scope": "tenant", **WHY, "dry_run": False}
    assert (await globex.post("/cancellations", json=asked)).json()["cancelled"] == 0
    for scope, key in zip(("instance", "task"), started, strict=True):
        theirs = await globex.post("/cancellations", json={**asked, "scope": scope, "key": str(key)})
        assert theirs.status_code == 404
    assert (await client.post("/cancellations", json=asked)).json()["instances"] == [str(started[0])]


@pytest.mark.parametrize(
    "asked",
    [
        {"scope": "fleet"}, {"scope": "tenant", "key": "acme"}, {"scope": "agent"}, {"scope": "task", "key": "one"},
        {"scope": "tenant", "reason": ""},
    ],
)  # fmt: skip
async def test_what_cannot_be_cancelled_is_refused(client: httpx.AsyncClient, asked: dict[str, Any]) -> None:
    answer = await client.post("/cancellations", json={**WHY, **asked})
    assert answer.status_code == 422
    if asked != {"scope": "task", "key": "one"}:
        assert (await client.post("/kill-switches", json={**WHY, **asked})).status_code == 422


async def test_a_kill_switch_stops_claims_until_it_is_released(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: StartPod
) -> None:
    pod = await start_pod()
    robot = await deploy(ROBOT)
    await start(client, robot)
    running = await pod.claim()
    await start(client, robot)
    asked = {"scope": "orchestrator", "key": "echo", **WHY, "stops_running": True}
    drill = await client.post("/kill-switches", json={**asked, "drill": True})
    assert (drill.status_code, drill.json()["kill_switch"]) == (200, None)
    assert (drill.json()["running"], drill.json()["waiting"], len(drill.json()["task_ids"])) == (1, 1, 2)
    assert drill.json()["task_ids"][0] == str(running.task_id)
    made = await client.post("/kill-switches", json=asked)
    assert (made.status_code, made.json()["running"], made.json()["waiting"]) == (201, 1, 1)
    assert await pod.next() is None
    twice = await client.post("/kill-switches", json=asked)
    assert (twice.status_code, twice.json()["type"]) == (409, "urn:process-fleet:problem:kill_switch_set")
    [listed] = (await client.get("/kill-switches", params={"set": True})).json()["items"]
    assert listed == made.json()["kill_switch"] and listed["set_by"] == "api_key:ci"
    waiting = (await client.get("/tasks", params={"status": "PENDING"})).json()["items"]
    assert [(task["stopped"], task["available_at"]) for task in waiting] == [(True, None)] * 2
    changed = await client.patch(f"/tasks/{running.task_id}", json={"priority": 5})
    assert (changed.status_code, changed.json()["stopped"]) == (200, True)
    released = (await client.delete(f"/kill-switches/{listed['switch_id']}")).json()
    assert (released["resumed"], released["kill_switch"]["released_by"]) == (2, "api_key:ci")
    assert (await pod.claim()).task_id == running.task_id
    assert (await client.get("/kill-switches", params={"set": True})).json()["items"] == []
    assert len((await client.get("/kill-switches", params={"set": False})).json()["items"]) == 1


async def test_only_admins_set_and_release_and_only_their_own(
    client: httpx.AsyncClient, globex: httpx.AsyncClient, open_client: Callable[..., httpx.AsyncClient], place: Place
) -> None:
    operator = open_client({"Authorization": f"Bearer {user_token(place.tenant, fleet_role='operator')}"})
    asked = {"scope": "tenant", **WHY}
    assert (await operator.post("/kill-switches", json=asked)).status_code == 403
    made = (await client.post("/kill-switches", json=asked)).json()["kill_switch"]
    here = f"/kill-switches/{made['switch_id']}"
    assert (await operator.delete(here)).status_code == 403
    assert (await operator.get("/kill-switches")).json()["items"] == [made]
    assert (await globex.get("/kill-switches")).json()["items"] == []
    for refused in (await globex.delete(here), await client.delete(f"/kill-switches/{uuid4()}")):
        assert (refused.status_code, refused.json()["type"]) == (404, "urn:process-fleet:problem:kill_switch_unknown")
    assert (await client.delete(here)).status_code == 200
    assert (await client.delete(here)).json()["type"] == "urn:process-fleet:problem:kill_switch_released"


async def test_what_is_not_there_cannot_be_stopped(client: httpx.AsyncClient) -> None:
    for scope in ("orchestrator", "agent"):
        answer = await client.post("/kill-switches", json={"scope": scope, "key": "nobody", **WHY})
        assert (answer.status_code, answer.json()["type"]) == (404, f"urn:process-fleet:problem:{scope}_unknown")
