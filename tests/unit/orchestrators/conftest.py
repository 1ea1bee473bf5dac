"""The orchestrators' surroundings: a tool endpoint, a scripted model, and children that are kept warm."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from child_process import Child, declared_command, task_message
from live_tool_server import ToolServer, tool_server
from scripted_model import ScriptedModel, scripted_model


@pytest.fixture(scope="session")
def one_tool_server() -> Iterator[ToolServer]:
    with tool_server() as server:
        yield server


@pytest.fixture
def tools(one_tool_server: ToolServer) -> ToolServer:
    """The tool endpoint, with nothing called yet; it takes `token-1` and `token-2`."""
    one_tool_server.tokens = {"token-1", "token-2"}
    one_tool_server.calls_break = False
    one_tool_server.tokens_seen.clear()
    one_tool_server.calls.clear()
    return one_tool_server


@pytest.fixture(scope="session")
def one_scripted_model() -> Iterator[ScriptedModel]:
    with scripted_model() as model:
        yield model


@pytest.fixture
def model(one_scripted_model: ScriptedModel) -> ScriptedModel:
    """The model endpoint, with an empty script."""
    one_scripted_model.script.clear()
    one_scripted_model.bodies.clear()
    one_scripted_model.tokens_seen.clear()
    return one_scripted_model


@pytest.fixture(scope="session")
def action(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """An openai-action process, warm for all tests: the way it runs under a pod."""
    with Child(declared_command("openai-action"), tmp_path_factory.mktemp("openai-action")) as child:
        yield child


@pytest.fixture
def a_task(tools: ToolServer, model: ScriptedModel) -> Callable[..., dict[str, Any]]:
    """Makes task messages that point at the two endpoints, each with an id of its own."""
    numbers = count(1)

    def make(**fields: Any) -> dict[str, Any]:
        return task_message(f"task-{next(numbers)}", **{"model_url": model.url, "tools_url": tools.url, **fields})

    return make


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[list[str]], Child]]:
    """Starts children of the test's own; they are ended with the test."""
    children: list[Child] = []

    def begin(command: list[str]) -> Child:
        home = tmp_path / str(len(children))
        home.mkdir()
        children.append(Child(command, home))
        return children[-1]

    yield begin
    for child in children:
        child.__exit__()
