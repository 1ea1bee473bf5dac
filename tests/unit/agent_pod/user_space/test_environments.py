"""Orchestrators with environments of their own: made before a task is taken, used offline, refused with a reason."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uv

from agent_pod.main import serve
from agent_pod.run.answer import Done
from agent_pod.settings import PodSettings
from agent_pod.user_space import environments
from agent_pod.user_space.registry import OrchestratorDeclaration, read_orchestrators
from agent_pod.user_space.runner import Limits, Runner
from kernel.errors import SettingsInvalid
from kernel.settings import read_settings

SCRIPT = """# /// script
# requires-python = ">=3.11"
# dependencies = [{dependencies}]
# ///
import sys
from orchestrators import kit

kit.serve(lambda task: {{"prefix": sys.prefix, "sees": [name for name in sys.modules if name == "pydantic"]}})
"""
Declare = Callable[..., OrchestratorDeclaration]


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """Writes a script and its declaration; `lock` it as its author does."""

    def write(dependencies: str = "", lock: bool = True) -> OrchestratorDeclaration:
        script = tmp_path / "own.py"
        script.write_text(SCRIPT.format(dependencies=""))
        if lock:
            subprocess.run([uv.find_uv_bin(), "lock", "-q", "--offline", "--script", str(script)], check=True)
        script.write_text(SCRIPT.format(dependencies=dependencies))
        (tmp_path / "own.yaml").write_text("name: own\ndescription: for tests\nscript: own.py\nmemory_mb: 200\n")
        return read_orchestrators(tmp_path, [])["own"]

    return write


async def test_a_script_runs_with_the_python_of_its_own_environment(declare: Declare, tmp_path: Path) -> None:
    served, left_out = environments.equip({"own": declare()}, tmp_path / "environments", ["own"])
    assert left_out == []
    runner = Runner(served["own"], Limits(1 << 20, 20, None))
    await runner.start()
    nowhere = {"model_url": "http://127.0.0.1:9/v1", "tools_url": "http://127.0.0.1:9/mcp"}
    task = {"type": "task", "task_id": "1", "token": "t", "instruction": "", "model": "m", "input": {}, **nowhere}
    answer = await runner.run(task, 60, asyncio.get_running_loop().create_future())
    await runner.close()
    environment = served["own"].environment
    assert isinstance(answer, Done) and answer.output == {"prefix": str(environment), "sees": []}


def test_what_is_not_named_and_not_ready_is_left_out_until_it_is_made(declare: Declare, tmp_path: Path) -> None:
    declared, folder = {"own": declare()}, tmp_path / "environments"
    assert environments.equip(declared, folder, []) == ({}, ["own"])
    placed = environments.with_environment(declared["own"], folder)
    environments.make(placed)
    assert environments.equip(declared, folder, []) == ({"own": placed}, [])


def test_another_lock_file_makes_another_environment(declare: Declare, tmp_path: Path) -> None:
    first = environments.with_environment(declare(), tmp_path)
    with (tmp_path / "own.py.lock").open("a") as lock:
        lock.write("# changed\n")
    assert environments.with_environment(declare(lock=False), tmp_path).environment != first.environment


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"lock": False}, r"there is no .*own\.py\.lock\. Run `uv lock --script .*own\.py`"),
        ({"dependencies": '"no-such-package-here==1"'}, "environment cannot be made: .*"),
    ],
)
def test_an_environment_that_cannot_be_made_is_refused_with_the_reason(
    declare: Declare, tmp_path: Path, given: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    declaration = declare(**given)
    with pytest.raises(SettingsInvalid, match=f"(?s)orchestrator 'own': .*{reason}"):
        environments.equip({"own": declaration}, tmp_path / "environments", ["own"])


def test_a_folder_that_cannot_be_written_is_named(declare: Declare, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsInvalid, match=r"Not a directory.*Set FLEET_ENVIRONMENTS"):
        environments.make(environments.with_environment(declare(), tmp_path / "file"))


async def test_a_pod_whose_named_orchestrator_has_no_environment_does_not_start(
    declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")
    declare(dependencies='"no-such-package-here==1"')
    told = {"fleet_orchestrators": tmp_path, "fleet_environments": tmp_path / "environments", "openai_api_key": "k"}
    with pytest.raises(SettingsInvalid, match="environment cannot be made"):
        await serve(read_settings(PodSettings, database_url="postgresql://nowhere", fleet_serves=["own"], **told))
    with pytest.raises(SettingsInvalid, match="run `fleet prepare own`"):
        await serve(read_settings(PodSettings, database_url="postgresql://nowhere", **told))


def test_a_pattern_of_what_varies_is_one(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("name: own\ndescription: d\ncommand: [x]\nvaries: ['[']\n")
    with pytest.raises(SettingsInvalid, match=r"(?s)own\.yaml .*varies.*'\[' is no pattern of RE2"):
        read_orchestrators(tmp_path, [])


def test_a_declaration_has_a_command_or_a_script(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("name: none\ndescription: neither\n")
    with pytest.raises(SettingsInvalid, match="needs either `command` or `script`"):
        read_orchestrators(tmp_path, [])
