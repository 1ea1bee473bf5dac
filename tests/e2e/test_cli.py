"""The command line, as a person uses it: each command is a real process."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from live_fleet import one_step

PERSON = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="file" targetNamespace="test">
  <bpmn:process id="ask_ann" name="Ask Ann" isExecutable="true">
    <bpmn:startEvent id="start"/><bpmn:userTask id="decide" name="Decide"/><bpmn:endEvent id="end"/>
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="decide"/>
    <bpmn:sequenceFlow id="f2" sourceRef="decide" targetRef="end"/>
  </bpmn:process>
</bpmn:definitions>"""


class Cli:
    """Runs `fleet` in a folder of its own, against the fleet in data."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.up = self.start_up()

    def start_up(self) -> "subprocess.Popen[str]":
        """`fleet up`, once it has printed ready."""
        command = [sys.executable, "-m", "fleet", "up", "--data", "data", "--port", "0", "--pods", "1"]
        up = subprocess.Popen(command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert up.stdout is not None
        self.first_line = up.stdout.readline()
        return up

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End `fleet up` and expect that it ends well."""
        self.up.send_signal(how)
        assert self.up.wait(timeout=60) == 0
        assert self.up.stdout is not None
        self.up.stdout.close()

    def run(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fleet", *arguments],
            check=False, cwd=self.folder, text=True, capture_output=True, timeout=120,
            env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def connection(self) -> Any:
        return json.loads((self.folder / "data" / "connection.json").read_text())


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    folder = tmp_path_factory.mktemp("cli")
    running = Cli(folder)
    yield running
    running.stop()


def test_up_says_ready_and_writes_the_connection_for_its_owner_alone(cli: Cli) -> None:
    assert cli.first_line.startswith("ready http://127.0.0.1:")
    assert set(cli.connection) == {"api_url", "api_key", "database_url"}
    assert (cli.folder / "data" / "connection.json").stat().st_mode & 0o777 == 0o600
    assert cli.connection["api_key"] not in cli.first_line
    for log in (cli.folder / "data" / "logs").iterdir():
        assert cli.connection["api_key"] not in log.read_text()


def test_a_process_is_deployed_started_shown_and_submitted(cli: Cli) -> None:
    (cli.folder / "ask_ann.bpmn").write_text(PERSON)
    assert cli.run("deploy", "ask_ann.bpmn", "--data", "data") == "ask_ann version 1\n"
    assert cli.run("deploy", "ask_ann.bpmn", "--data", "data") == "ask_ann version 1 (unchanged)\n"
    instance, status = cli.run("start", "ask_ann", "--input", '{"amount": 5}', "--data", "data").split()
    assert status == "RUNNING"
    assert "Decide" in cli.run("tasks", "--data", "data")
    [task] = json.loads(cli.run("tasks", "--json", "--data", "data"))
    cli.run("submit", task["task_id"], "--output", '{"decision": "yes"}', "--data", "data")
    shown = cli.run("status", instance, "--data", "data")
    assert "COMPLETED" in shown and '"decision": "yes"' in shown
    assert instance in cli.run("status", "--data", "data")
    lines = cli.run("events", "--instance", instance, "--data", "data").splitlines()
    assert [line.split()[1] for line in lines] == [
        "INSTANCE_STARTED", "TASK_CREATED", "TASK_SUBMITTED", "INSTANCE_COMPLETED",
    ]  # fmt: skip


def test_start_can_wait_for_the_end(cli: Cli) -> None:
    (cli.folder / "one.bpmn").write_text(one_step("echo"))
    cli.run("deploy", "one.bpmn", "--data", "data")
    assert cli.run("start", "one_step_echo", "--wait", "60", "--data", "data").split()[1] == "COMPLETED"


def test_events_can_be_followed(cli: Cli) -> None:
    command = [sys.executable, "-m", "fleet", "events", "--follow", "--json", "--data", "data"]
    with subprocess.Popen(command, cwd=cli.folder, text=True, stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        instance, _ = cli.run("start", "ask_ann", "--data", "data").split()
        seen = next(event for event in map(json.loads, following.stdout) if event["proc_inst_id"] == instance)
        assert seen["event_type"] == "INSTANCE_STARTED"
        following.send_signal(signal.SIGINT)
    assert following.returncode in (1, 130, -signal.SIGINT)


def test_errors_name_what_is_wrong_and_what_to_do(cli: Cli) -> None:
    (cli.folder / "broken.bpmn").write_text(PERSON.replace('targetRef="end"', 'targetRef="nowhere"'))
    assert "nowhere" in cli.run("deploy", "broken.bpmn", "--data", "data", fails=True)
    assert "ask_ann" in cli.run("start", "ask_an", "--data", "data", fails=True)
    assert "--input" in cli.run("start", "ask_ann", "--input", "{", "--data", "data", fails=True)
    assert "fleet up" in cli.run("tasks", "--data", "elsewhere", fails=True)
    assert "runs in data already" in cli.run("up", "--data", "data", fails=True)


def test_doctor_finds_everything_well(cli: Cli) -> None:
    shown = cli.run("doctor", "--data", "data")
    for name in ("machine", "database", "orchestrators", "execution API"):
        assert re.search(rf"ok\s+{name}", shown)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stopping_up_leaves_nothing_running_and_it_can_start_again(tmp_path: Path, how: signal.Signals) -> None:
    cli = Cli(tmp_path)
    tree = psutil.Process(cli.up.pid).children(recursive=True)
    postgres = [process for process in psutil.process_iter(["cmdline"]) if _serves(process, tmp_path)]
    assert len(tree) >= 3 and postgres
    cli.stop(how)
    _, alive = psutil.wait_procs([*tree, *postgres], timeout=10)
    assert not alive
    key = cli.connection["api_key"]
    again = Cli(tmp_path)
    assert again.connection["api_key"] == key
    assert httpx.get(again.connection["api_url"] + "/pods", headers={"X-API-Key": key}).status_code == 200
    again.stop()


def _serves(process: psutil.Process, folder: Path) -> bool:
    return str(folder / "data" / "postgres") in " ".join(process.info["cmdline"] or [])


def test_a_port_in_use_is_named_and_nothing_stays_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "fleet", "up", "--data", "data", "--port", port],
            check=False, cwd=tmp_path, text=True, capture_output=True, timeout=120,
        )  # fmt: skip
    assert done.returncode == 1 and f"--port: {port} is in use" in done.stderr
    assert not (tmp_path / "data" / "connection.json").exists()
    assert not [process for process in psutil.process_iter(["cmdline"]) if _serves(process, tmp_path)]
