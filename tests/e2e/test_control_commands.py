"""Cancels and kill switches with real pods: what runs is stopped, and nothing is claimed until the release."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from live_fleet import LiveFleet, until


def run(fleet: LiveFleet, *arguments: str) -> str:
    """What `fleet ...` prints."""
    environment = {**os.environ, "DATABASE_URL": fleet.tree.connection.database_url, "COLUMNS": "500"}
    command = [sys.executable, "-m", "fleet", *arguments]
    if arguments[0] != "cancel" or arguments[1] != "fleet":
        command += ["--data", str(fleet.tree.data)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def waiting_for(fleet: LiveFleet, file: Path) -> str:
    """An instance whose task runs until `file` is there; it counts its runs there."""
    instance_id = fleet.start("one_step_naughty", do="wait_for_file", file=str(file))
    fleet.task(instance_id, "IN_PROGRESS")
    return instance_id


def idle(fleet: LiveFleet) -> Any:
    """Waits until no task is running."""
    return until(lambda: True if not fleet.api.get("/tasks", status="IN_PROGRESS")["items"] else None)


def test_a_cancel_takes_effect_in_the_running_pod(fleet: LiveFleet, tmp_path: Path) -> None:
    idle(fleet)
    name = tmp_path / "pid"
    instance_id = fleet.start("one_step_naughty", do="hang_by_name", file=str(name))
    [pid] = until(lambda: name.read_text().split() or None if name.exists() else None)
    would = run(fleet, "cancel", "orchestrator", "naughty", "--reason", "practice")
    told = re.fullmatch(r"would cancel (\d+) instances and 0 tasks; 1 tasks run\n", would)  # others left incidents
    assert told
    assert fleet.instance(instance_id)["status"] == "RUNNING"
    done = run(fleet, "cancel", "orchestrator", "naughty", "--reason", "it hangs", "--yes")
    assert done == f"cancelled {told[1]} of {told[1]} instances and 0 tasks; 1 tasks run\n"
    until(lambda: None if Path(f"/proc/{pid}").exists() else True, seconds=10)
    instance = fleet.instance(instance_id)
    assert (instance["status"], instance["tasks"][0]["status"]) == ("CANCELLED", "CANCELLED")
    assert fleet.ended(fleet.start("one_step_naughty", do="answer"))["status"] == "COMPLETED"


def test_a_kill_switch_stops_claims_and_what_runs_until_it_is_released(fleet: LiveFleet, tmp_path: Path) -> None:
    idle(fleet)
    file = tmp_path / "go"
    running = waiting_for(fleet, file)
    drilled = run(fleet, "kill-switch", "drill", "orchestrator", "naughty")
    task_id = fleet.instance(running)["tasks"][0]["task_id"]
    assert drilled == f"would stop 1 running and 0 waiting tasks\n  {task_id}\n"
    made = run(fleet, "kill-switch", "set", "orchestrator", "naughty", "--reason", "practice", "--stop-running")
    switch_id, said = made.split(maxsplit=1)
    assert said == "set: 0 tasks parked, 1 handed back\n"
    later = fleet.start("one_step_naughty", do="answer")
    assert fleet.ended(fleet.start("one_step_echo"))["status"] == "COMPLETED"  # pods go on with other work
    assert [fleet.instance(i)["tasks"][0]["stopped"] for i in (running, later)] == [True, True]
    assert switch_id in run(fleet, "kill-switch", "list", "--json")
    file.touch()
    assert run(fleet, "kill-switch", "release", switch_id) == f"{switch_id} released: 2 tasks resumed\n"
    assert [fleet.ended(i)["status"] for i in (running, later)] == ["COMPLETED", "COMPLETED"]
    assert fleet.instance(running)["tasks"][0]["attempt"] == 1
    assert fleet.event_types(running).count("TASK_RELEASED") == 1


def test_the_owner_stops_and_cancels_the_whole_fleet(fleet: LiveFleet) -> None:
    idle(fleet)
    made = run(fleet, "kill-switch", "set", "fleet", "--reason", "practice")
    switch_id = made.split()[0]
    instance_id = fleet.start("one_step_echo")
    assert fleet.instance(instance_id)["tasks"][0]["stopped"] is True
    [listed] = fleet.api.get("/kill-switches", set="true")["items"]
    assert (listed["switch_id"], listed["scope"], listed["set_by"]) == (switch_id, "fleet", "owner")
    assert run(fleet, "cancel", "fleet", "--reason", "the end", "--yes").startswith("cancelled ")
    assert fleet.instance(instance_id)["status"] == "CANCELLED"
    run(fleet, "kill-switch", "release", switch_id, "--fleet")
    assert fleet.ended(fleet.start("one_step_echo"))["status"] == "COMPLETED"


def test_the_secret_of_a_webhook_is_rotated(fleet: LiveFleet) -> None:
    made = fleet.api.post("/webhooks", {"url": "https://example.org/in", "types": ["TASK_OVERDUE"]})
    secret = run(fleet, "rotate-webhook-secret", made["endpoint_id"], "--grace-seconds", "60").strip()
    assert secret.startswith("whsec_") and secret != made["secret"]
    listed = run(fleet, "webhooks")
    assert made["endpoint_id"] in listed and "whsec_" not in listed
    fleet.api.delete(f"/webhooks/{made['endpoint_id']}")
