"""A definition of Process GPT is imported, deployed and run to its end: agents answer, a person decides."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_fleet import LiveFleet

from fleet.programs.fleet_tree import FleetTree

SAMPLES = Path(__file__).resolve().parents[1] / "process_gpt"
ASSISTANT = {"name": "Assistant", "role": "HR assistant", "goal": "be fair", "tools": ["report_progress"]}


@pytest.fixture(scope="module")
def with_agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveFleet]:
    """A fleet with its own orchestrators and the offline model."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "FLEET_"))}
    with FleetTree(tmp_path_factory.mktemp("import"), 0, 1, environment) as tree:
        live = LiveFleet(tree)
        yield live
        live.close()


def fleet_import(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "fleet", "import", "process-gpt", *arguments],
        check=False, cwd=cwd, text=True, capture_output=True, timeout=120,
        env={**os.environ, "COLUMNS": "160", "FLEET_ENVIRONMENTS": str(cwd / "environments")},
    )  # fmt: skip


def test_an_imported_process_runs_to_its_end(with_agents: LiveFleet, tmp_path: Path) -> None:
    written = tmp_path / "leave.bpmn"
    folder = str(with_agents.tree.data)
    sample = str(SAMPLES / "leave_request.json")
    done = fleet_import(sample, "--out", str(written), "--deploy", "--data", folder, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["id"], report["deployed_version"], report["counts"]["stops"]) == ("leave_request", 1, 0)
    with_agents.api.put("/agents/hr-assistant", ASSISTANT)
    instance_id = with_agents.start("leave_request")
    submit(with_agents, instance_id, "apply", {"leave_request_apply_form": {"days": 5, "reason": "My sister marries."}})
    assert with_agents.task(instance_id, "DONE")["activity_id"] == "apply"
    drafted = with_agents.task(instance_id, "TODO")
    assert drafted["activity_id"] == "approve" and set(drafted["draft"]) <= {"decision", "comment"}
    submit(with_agents, instance_id, "approve", {"decision": "grant", "comment": "Enjoy it."})
    ended = with_agents.ended(instance_id)
    assert ended["status"] == "COMPLETED", ended["error"]
    assert ended["variables"]["summary"] and ended["variables"]["decision"] == "grant"


def submit(live: LiveFleet, instance_id: str, activity: str, values: dict[str, Any]) -> None:
    """What a client of Process GPT sends."""
    body = {"process_instance_id": instance_id, "activity_id": activity, "form_values": values}
    live.api.post("/complete", {"input": body})


def test_a_condition_in_words_becomes_an_incident_that_quotes_it(with_agents: LiveFleet, tmp_path: Path) -> None:
    definition = json.loads((SAMPLES / "leave_request.json").read_text())
    inner = definition["definition"]
    inner["processDefinitionId"] = "leave_in_words"
    inner["sequences"][2]["properties"] = json.dumps({"condition": "the leave is long", "conditionMode": "text"})
    (tmp_path / "words.json").write_text(json.dumps(definition))
    done = fleet_import("words.json", "--deploy", "--data", str(with_agents.tree.data), cwd=tmp_path)
    assert done.returncode == 0 and "stops: 1" in done.stdout and "the leave is long" in done.stdout
    instance_id = with_agents.start("leave_in_words")
    submit(with_agents, instance_id, "apply", {"days": 5, "reason": "a wedding"})
    ended = with_agents.ended(instance_id)
    assert ended["status"] == "ERROR" and "not carried over: the leave is long" in ended["error"]


def test_what_is_wrong_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"processDefinitionId": "x"}')
    done = fleet_import("broken.json", cwd=tmp_path)
    assert done.returncode == 1 and "activities or sequences" in done.stderr
    (tmp_path / "leave.json").write_text((SAMPLES / "leave_request.json").read_text())
    (tmp_path / "leave.bpmn").write_text("mine")
    done = fleet_import("leave.json", cwd=tmp_path)
    assert done.returncode == 1 and "leave.bpmn exists" in done.stderr
    done = fleet_import("leave.json", "--out", "o.bpmn", "--orchestrator", "crewai-action", cwd=tmp_path)
    assert done.returncode == 1 and "THERE=HERE" in done.stderr
    assert (tmp_path / "leave.bpmn").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.glob("*.bpmn")) == ["leave.bpmn"]
