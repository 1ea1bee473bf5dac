"""A process runs from a request to its end, through HTTP, queue, pods and child processes."""

import uuid

import httpx
import pytest
from live_fleet import LiveFleet, until

from fleet.api_client import ApiRefused


def test_complete_starts_an_instance_which_pods_finish(fleet: LiveFleet) -> None:
    body = {"process_definition_id": "one_step_echo", "process_instance_id": "new", "form_values": {"amount": 12}}
    answer = fleet.api.post("/complete?wait=60", {"input": body})
    assert answer["status"] == "COMPLETED"
    instance = fleet.instance(answer["process_instance_id"])
    assert instance["variables"]["echo"]["amount"] == 12
    assert fleet.event_types(answer["process_instance_id"]) == [
        "INSTANCE_STARTED", "TASK_CREATED", "TASK_CLAIMED", "TASK_COMPLETED", "INSTANCE_COMPLETED",
    ]  # fmt: skip


def test_forty_instances_share_two_pods_and_each_runs_once(fleet: LiveFleet) -> None:
    started = [fleet.start("one_step_echo", number=number) for number in range(40)]
    claims: list[str] = []
    for number, instance_id in enumerate(started):
        instance = fleet.ended(instance_id)
        assert (instance["status"], instance["variables"]["echo"]["number"]) == ("COMPLETED", number)
        events = fleet.api.get(f"/instances/{instance_id}/events")["items"]
        claims += [event["actor"] for event in events if event["event_type"] == "TASK_CLAIMED"]
    assert len(claims) == 40 and len(set(claims)) == 2


def test_cancelling_an_instance_ends_its_running_child_process(fleet: LiveFleet) -> None:
    instance_id = fleet.start("one_step_naughty", do="hang")
    fleet.task(instance_id, "IN_PROGRESS")
    fleet.api.post(f"/instances/{instance_id}/cancel", {"reason": "changed our minds"})
    assert fleet.instance(instance_id)["status"] == "CANCELLED"
    other_work = [fleet.start("one_step_naughty", do="answer") for _ in range(4)]
    assert {fleet.ended(other)["status"] for other in other_work} == {"COMPLETED"}
    assert fleet.instance(instance_id)["tasks"][0]["status"] == "CANCELLED"
    until(lambda: True if _outcomes(fleet, "cancelled") >= 1 else None)


def test_nothing_is_open_without_a_key(fleet: LiveFleet) -> None:
    url = fleet.tree.connection.api_url
    for path in ("/instances", "/tasks", "/events", "/documents", "/agents", "/pods", "/process-definitions"):
        assert httpx.get(url + path).status_code == 401
    assert httpx.post(url + "/complete", json={"input": {}}).status_code == 401


def test_an_unknown_definition_names_near_ones(fleet: LiveFleet) -> None:
    with pytest.raises(ApiRefused) as refused:
        fleet.start("one_step_ecko")
    assert refused.value.status == 404
    assert "one_step_echo" in str(refused.value) + refused.value.remedy


def test_the_same_idempotency_key_starts_one_instance(fleet: LiveFleet) -> None:
    body = {"input": {"process_definition_id": "one_step_echo", "process_instance_id": "new"}}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    answers = [fleet.api.post("/complete", json=body, headers=headers) for _ in range(2)]
    assert answers[0]["process_instance_id"] == answers[1]["process_instance_id"]


def _outcomes(fleet: LiveFleet, outcome: str) -> float:
    total = 0.0
    for pod in fleet.api.get("/pods")["items"]:
        if pod["status"] == "READY":
            lines = httpx.get(f"{pod['address']}/metrics").text.splitlines()
            total += sum(float(line.split()[-1]) for line in lines if f'outcome="{outcome}"' in line)
    return total
