"""What a pod reads to start an orchestrator: orchestrators/<name>.yaml."""

import importlib.util
from pathlib import Path

import pytest
import yaml
from child_process import ORCHESTRATORS, Child, declared_command, task_message

DECLARATIONS = sorted(ORCHESTRATORS.glob("*.yaml"))


def test_the_shipped_orchestrators_are_declared() -> None:
    assert {path.stem for path in DECLARATIONS} >= {"echo", "openai-action"}


@pytest.mark.parametrize("path", DECLARATIONS, ids=lambda path: path.stem)
def test_a_declaration_has_its_files_name_a_description_and_a_command(path: Path) -> None:
    declaration = yaml.safe_load(path.read_text())
    assert declaration.keys() <= {"name", "description", "command", "script", "memory_mb", "varies"}
    assert declaration["name"] == path.stem
    assert declaration["description"]
    assert isinstance(declaration.get("memory_mb", 1024), int)
    assert ("command" in declaration) != ("script" in declaration)
    assert all(isinstance(word, str) for word in declaration.get("command", []))
    if "script" in declaration:
        assert (ORCHESTRATORS / declaration["script"]).is_file()
        assert (ORCHESTRATORS / f"{declaration['script']}.lock").is_file()


@pytest.mark.parametrize(
    "path", [path for path in DECLARATIONS if "command:" in path.read_text()], ids=lambda path: path.stem
)
def test_a_module_named_in_a_command_exists(path: Path) -> None:
    command = declared_command(path.stem)
    if "-m" in command:
        assert importlib.util.find_spec(command[command.index("-m") + 1])
    assert not any("{" in word for word in command)


def test_echo_gives_back_its_input_for_one_task_after_the_other(tmp_path: Path) -> None:
    with Child(declared_command("echo"), tmp_path) as child:
        assert child.output(task_message("1", input={"a": [1, "é"]})) == {"echo": {"a": [1, "é"]}}
        assert child.output(task_message("2")) == {"echo": {}}
        assert child.close() == 0
