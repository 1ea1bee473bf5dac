"""Whatever an orchestrator does, its task ends FAILED with the reason and the end of its output, its instance shows the
incident, and the pod takes the next task."""

import pytest
from live_fleet import LiveFleet, one_step


@pytest.mark.parametrize(
    ("deed", "reason", "tail"),
    [
        ("crash", "the orchestrator exited with code 7 before it answered: about to fall", "about to fall"),
        ("be_killed", "the orchestrator was killed by signal 11 before it answered", None),
        ("flood", "flooded its log: more than 67108864 bytes in one task", "xxx"),
        ("eat_memory", "out of memory: more than 200 MB", None),
        ("leave_children", "the orchestrator exited with code 3 before it answered", None),
        ("raise_error", "ValueError: no such customer", "Traceback"),
        ("refuse", "this cannot be done", None),
    ],
)
def test_its_task_fails_with_the_reason_and_the_pod_goes_on(
    fleet: LiveFleet, deed: str, reason: str, tail: str | None
) -> None:
    instance_id = fleet.start("one_step_naughty", do=deed)
    instance = fleet.ended(instance_id)
    [task] = instance["tasks"]
    assert (instance["status"], task["status"]) == ("ERROR", "FAILED")
    assert task["error"] == reason and reason in instance["error"]
    assert tail is None or tail in task["log_tail"]
    assert fleet.event_types(instance_id)[-1] == "INCIDENT"
    assert fleet.ended(fleet.start("one_step_naughty", do="answer"))["status"] == "COMPLETED"


def test_a_hanging_orchestrator_times_out(fleet: LiveFleet) -> None:
    fleet.deploy(one_step("naughty", timeout_seconds=1, definition="one_short_step"))
    [task] = fleet.ended(fleet.start("one_short_step", do="hang"))["tasks"]
    assert task["error"] == "timed out: no answer within 1 s"
    assert "thinking for ever" in task["log_tail"]


def test_a_failed_attempt_is_made_again_later_and_counted(fleet: LiveFleet) -> None:
    fleet.deploy(one_step("naughty", retries=2, definition="one_step_twice"))
    instance_id = fleet.start("one_step_twice", do="raise_error")
    waiting = fleet.task(instance_id, "PENDING")
    assert waiting["attempt"] == 1 and waiting["error"] == "ValueError: no such customer"
    [task] = fleet.ended(instance_id)["tasks"]
    assert task["attempt"] == 2 and task["status"] == "FAILED"
    assert fleet.event_types(instance_id).count("TASK_RETRIED") == 1
