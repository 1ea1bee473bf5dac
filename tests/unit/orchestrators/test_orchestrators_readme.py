"""What orchestrators/README.md shows works as it stands there."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from child_process import CHECKOUT, ORCHESTRATORS, Child
from live_tool_server import ToolServer
from scripted_model import ScriptedModel, says

README = (ORCHESTRATORS / "README.md").read_text()


def block(language: str) -> str:
    """Return the README's first code block in `language`."""
    found = re.search(rf"^ *```{language}\n(.*?)^ *```", README, re.DOTALL | re.MULTILINE)
    assert found, f"no {language} block"
    return dedent(found[1])


@pytest.fixture
def example(tmp_path: Path, start: Callable[[list[str]], Child]) -> Child:
    script = tmp_path / "summarise.py"
    script.write_text(block("python"))
    return start([sys.executable, str(script)])


def test_the_example_does_its_task_with_both_endpoints(
    example: Child, model: ScriptedModel, tools: ToolServer, a_task: Callable[..., dict[str, Any]]
) -> None:
    model.script = [says("Short.")]
    assert example.output(a_task(instruction="Shorten", input={"text": "Long."})) == {"summary": "Short."}
    assert model.requests[0]["messages"][0]["content"] == "Shorten\n\nLong."
    assert tools.called("report_progress") == [{"message": "Reading", "percent": None}]


def test_the_example_refuses_a_task_without_a_text(example: Child, a_task: Callable[..., dict[str, Any]]) -> None:
    assert example.failure(a_task()) == ("input.text is empty; there is nothing to summarise", False)


def test_the_line_to_try_it_by_hand_gives_an_answer() -> None:
    line = block("sh").replace("python", sys.executable)
    run = subprocess.run(["sh", "-c", line], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == {"type": "done", "task_id": "1", "output": {"echo": {"a": 1}}}
