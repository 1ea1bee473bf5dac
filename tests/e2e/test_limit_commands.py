"""A limit and a budget that are used up are incidents; a person lets the task go on, and nothing is paid twice."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from live_fleet import LiveFleet, one_step

LIMITED = "limited"
HEADER = '<zeebe:header key="timeoutSeconds"'


@pytest.fixture
def limited(fleet: LiveFleet) -> Iterator[LiveFleet]:
    """The fleet with a process whose task may make two model calls; its tenant has no budget before and after."""
    bpmn = one_step("naughty", definition=LIMITED)
    fleet.deploy(bpmn.replace(HEADER, f'<zeebe:header key="maxModelCalls" value="2"/>{HEADER}'))
    yield fleet
    run(fleet, "tenant-limits", "default")


def run(fleet: LiveFleet, command: str, *arguments: str) -> str:
    """What `fleet command ...` prints."""
    environment = {**os.environ, "DATABASE_URL": fleet.tree.connection.database_url, "COLUMNS": "500"}
    where = [] if command == "tenant-limits" else ["--data", str(fleet.tree.data)]
    line = [sys.executable, "-m", "fleet", command, *arguments, *where]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def failed(fleet: LiveFleet, instance: str) -> Any:
    """The instance's task, which a limit has stopped and nothing tries again."""
    task = fleet.task(instance, "FAILED")
    assert task["error_class"] == "limit_reached" and fleet.instance(instance)["status"] == "ERROR"
    assert task["task_id"] in run(fleet, "incidents", "--json")
    return task


def paid(fleet: LiveFleet, instance: str) -> list[int]:
    """The numbers of the model calls that were paid, in the order in which they were made."""
    calls = [call for call in fleet.api.get(f"/instances/{instance}/calls")["items"] if call["outcome"] == "ok"]
    return [int(call["request"]["messages"][0]["content"].rstrip(".").rpartition(" ")[2]) for call in calls]


def day(fleet: LiveFleet) -> Any:
    """What `fleet budget` says of this day."""
    return json.loads(run(fleet, "budget", "--json"))[0]


def test_a_task_at_its_limit_is_extended_by_command_and_goes_on_by_replay(limited: LiveFleet) -> None:
    instance = limited.start(LIMITED, do="ask_model_often", times=3)
    task = failed(limited, instance)
    assert "model_calls 2 of 2, set by the activity" in task["error"]
    assert paid(limited, instance) == [0, 1]
    extend = run(limited, "extend", task["task_id"], "--model-calls", "1", "--reason", "nearly done")
    assert extend.split()[0] == task["task_id"]
    assert len(limited.ended(instance)["variables"]["said"]) == 3
    assert paid(limited, instance) == [0, 1, 2]
    told = limited.event_types(instance)
    assert told.count("LIMIT_EXTENDED") == 1 and "CALL_DIVERGED" not in told


def test_a_budget_that_is_used_up_is_shown_raised_and_the_task_goes_on_by_replay(limited: LiveFleet) -> None:
    used = day(limited)["tokens"]
    run(limited, "tenant-limits", "default", "--day-tokens", str(used + 1))
    instance = limited.start("one_step_naughty", do="ask_model_often", times=3)
    task = failed(limited, instance)
    assert "budget used up" in task["error"] and paid(limited, instance) == [0]
    shown = day(limited)
    assert shown["tokens"] > shown["most_tokens"] == used + 1
    run(limited, "tenant-limits", "default", "--day-tokens", str(used + 1_000_000))
    run(limited, "retry", task["task_id"], "--reason", "raised")
    assert len(limited.ended(instance)["variables"]["said"]) == 3
    assert paid(limited, instance) == [0, 1, 2]
