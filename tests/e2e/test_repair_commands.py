"""The commands that repair, against a running fleet."""

import re
import subprocess
import sys

from live_fleet import LiveFleet


def run(fleet: LiveFleet, *arguments: str) -> str:
    """What `fleet ...` prints."""
    command = [sys.executable, "-m", "fleet", *arguments, "--data", str(fleet.tree.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_an_incident_is_listed_retried_forked_and_repaired_by_command(fleet: LiveFleet) -> None:
    instance = fleet.start("one_step_naughty", do="refuse")
    task = fleet.task(instance, "FAILED")["task_id"]
    assert f'"incident_id": "{task}"' in run(fleet, "incidents", "--definition", "one_step_naughty", "--json")
    why = ("--reason", "it was told wrong")
    would = run(fleet, "repair", "retry", "--definition", "one_step_naughty", *why)
    assert f"{task} would" in would and would.endswith(" would be done, 0 refused\n")
    forked = run(fleet, "fork", instance, "--task", task, "--variables", '{"do": "answer"}', *why).strip()
    assert fleet.ended(forked)["status"] == "COMPLETED"
    assert '"kind": "fork"' in run(fleet, "steps", forked, "--json")
    again = run(fleet, "retry", task, "--variables", '{"do": "refuse"}', "--from-scratch", *why)
    assert re.match(
        rf"{task} (PENDING|IN_PROGRESS)\n  made anew: 0 model calls and 0 tool calls; they had cost [0.]+ USD\n", again
    )
    fleet.task(instance, "FAILED")
    assert run(fleet, "move", instance, "--from", "work", "--to", "end", *why) == f"{instance} moved in step 3\n"
    assert fleet.instance(instance)["status"] == "COMPLETED"
