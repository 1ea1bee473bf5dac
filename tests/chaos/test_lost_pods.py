"""Pods that die, freeze or block: tasks go on elsewhere, and the late writes of a lost pod are refused."""

import getpass
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from live_fleet import LiveFleet, one_step, until

from fleet.programs.fleet_tree import FleetTree

pytestmark = pytest.mark.chaos
ORCHESTRATORS = Path(__file__).resolve().parents[1] / "orchestrators"
LEASE_SECONDS = 3


@pytest.fixture
def fleet_of_two(tmp_path: Path) -> Iterator[LiveFleet]:
    environment = {
        **os.environ,
        "FLEET_ORCHESTRATORS": str(ORCHESTRATORS),
        "FLEET_LEASE_SECONDS": str(LEASE_SECONDS),
        "FLEET_RUNNER_USER": getpass.getuser(),  # it writes into the test's own folder
    }
    with FleetTree(tmp_path, 0, 2, environment) as tree:
        live = LiveFleet(tree)
        live.deploy(one_step("naughty", retries=3, timeout_seconds=60))
        yield live
        live.close()


def pod_of_task(fleet: LiveFleet, instance_id: str) -> psutil.Process:
    """The process of the pod that runs the instance's task."""
    events = fleet.api.get(f"/instances/{instance_id}/events")["items"]
    actor = [event["actor"] for event in events if event["event_type"] == "TASK_CLAIMED"][-1]
    name = next(pod["name"] for pod in fleet.api.get("/pods")["items"] if f"pod:{pod['pod_id']}" == actor)
    child = next(child for child in fleet.tree.children if child.name == name)
    assert child.process is not None
    return psutil.Process(child.process.pid)


def hang_once(fleet: LiveFleet) -> str:
    """Start an instance whose task hangs in its first attempt; returns its id once it hangs."""
    instance_id = fleet.start("one_step_naughty", do="hang_once", **_files(fleet))
    until(lambda: True if (fleet.tree.data / "marker").exists() else None)
    return instance_id


def claimed_events(fleet: LiveFleet, instance_id: str) -> int:
    return fleet.event_types(instance_id).count("TASK_CLAIMED")


def test_a_killed_pods_task_is_finished_by_another_within_two_leases(fleet_of_two: LiveFleet) -> None:
    fleet = fleet_of_two
    instance_id = hang_once(fleet)
    pod = pod_of_task(fleet, instance_id)
    children = pod.children(recursive=True)
    pod.kill()
    killed_at = time.monotonic()
    until(lambda: True if claimed_events(fleet, instance_id) == 2 else None)
    assert time.monotonic() - killed_at < 2 * LEASE_SECONDS
    instance = fleet.ended(instance_id)
    assert instance["status"] == "COMPLETED" and instance["tasks"][0]["attempt"] == 2
    assert "TASK_RECLAIMED" in fleet.event_types(instance_id)
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert gone and not alive


def test_a_frozen_pods_late_result_is_refused(fleet_of_two: LiveFleet) -> None:
    fleet = fleet_of_two
    instance_id = fleet.start("one_step_naughty", do="wait_for_file_once", **_files(fleet))
    fleet.task(instance_id, "IN_PROGRESS")
    frozen = pod_of_task(fleet, instance_id)
    frozen.send_signal(signal.SIGSTOP)
    (fleet.tree.data / "go").touch()
    instance = fleet.ended(instance_id)
    first_result = instance["variables"]["pid"]
    frozen.send_signal(signal.SIGCONT)
    until(lambda: True if _lost(fleet, frozen) else None)
    again = fleet.instance(instance_id)
    assert (again["status"], again["variables"]["pid"]) == ("COMPLETED", first_result)
    assert fleet.event_types(instance_id).count("TASK_COMPLETED") == 1


def test_a_pod_whose_orchestrator_blocks_for_three_leases_keeps_its_lease(fleet_of_two: LiveFleet) -> None:
    fleet = fleet_of_two
    instance_id = fleet.start("one_step_naughty", do="block_ten_seconds")
    instance = fleet.ended(instance_id)
    assert instance["status"] == "COMPLETED" and instance["tasks"][0]["attempt"] == 1
    assert claimed_events(fleet, instance_id) == 1


def test_a_stopped_pod_lets_its_task_finish(fleet_of_two: LiveFleet) -> None:
    fleet = fleet_of_two
    instance_id = fleet.start("one_step_naughty", do="wait_for_file", **_files(fleet))
    fleet.task(instance_id, "IN_PROGRESS")
    pod = pod_of_task(fleet, instance_id)
    pod.terminate()
    (fleet.tree.data / "go").touch()
    instance = fleet.ended(instance_id)
    assert instance["status"] == "COMPLETED" and instance["tasks"][0]["attempt"] == 1
    psutil.wait_procs([pod], timeout=20)
    assert not pod.is_running() or pod.status() == psutil.STATUS_ZOMBIE


def test_a_stopped_pod_hands_back_what_takes_too_long(fleet_of_two: LiveFleet) -> None:
    fleet = fleet_of_two
    instance_id = hang_once(fleet)
    pod_of_task(fleet, instance_id).terminate()
    instance = fleet.ended(instance_id)
    assert instance["status"] == "COMPLETED" and instance["tasks"][0]["attempt"] == 1
    assert "TASK_RELEASED" in fleet.event_types(instance_id)


def _files(fleet: LiveFleet) -> dict[str, str]:
    return {"file": str(fleet.tree.data / "go"), "marker": str(fleet.tree.data / "marker")}


def _lost(fleet: LiveFleet, pod: psutil.Process) -> bool:
    name = next(c.name for c in fleet.tree.children if c.process and c.process.pid == pod.pid)
    log = (fleet.tree.data / "logs" / f"{name}.log").read_text()
    return "lease was lost" in log
