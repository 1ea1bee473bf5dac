"""One pod, and a task that waits for a person: the pod does other work meanwhile, and its crash changes nothing."""

import getpass
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from live_fleet import LiveFleet, one_step, until

from fleet.programs.fleet_tree import FleetTree

ORCHESTRATORS = Path(__file__).resolve().parents[1] / "orchestrators"


@pytest.fixture
def one_pod(tmp_path: Path) -> Iterator[LiveFleet]:
    environment = {
        **os.environ,
        "FLEET_ORCHESTRATORS": str(ORCHESTRATORS),
        "FLEET_LEASE_SECONDS": "3",
        "FLEET_INLINE_WAIT_SECONDS": "0",
        "FLEET_RUNNER_USER": getpass.getuser(),
    }
    with FleetTree(tmp_path, 0, 1, environment) as tree:
        live = LiveFleet(tree)
        live.deploy(one_step("naughty"))
        live.deploy(one_step("echo"))
        yield live
        live.close()


def test_one_pod_finishes_other_tasks_and_dies_while_a_task_waits_for_a_person(one_pod: LiveFleet) -> None:
    waiting = one_pod.start("one_step_naughty", do="ask_person")
    one_pod.task(waiting, "WAITING")
    others = [one_pod.start("one_step_echo", n=n) for n in range(10)]
    assert {one_pod.ended(other)["status"] for other in others} == {"COMPLETED"}
    [pod] = [child for child in one_pod.tree.children if child.name.startswith("pod")]
    assert pod.process is not None
    psutil.Process(pod.process.pid).kill()
    until(lambda: one_pod.tree.keep_up() or None)
    [question] = one_pod.api.get("/questions")["items"]
    assert question["question"] == "May I?"
    one_pod.api.post(f"/questions/{question['question_id']}/answer", {"answer": "Yes"})
    instance = one_pod.ended(waiting)
    assert instance["status"] == "COMPLETED"
    assert instance["variables"]["said"] == "Yes"
    assert instance["tasks"][0]["attempt"] == 1
    assert one_pod.event_types(waiting).count("TASK_SUSPENDED") == 1
