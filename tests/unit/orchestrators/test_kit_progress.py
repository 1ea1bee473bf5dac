"""Progress reports against a real MCP server."""

import pytest
from child_process import task_message
from live_tool_server import ToolServer
from loopback_server import serving
from starlette.responses import JSONResponse

from orchestrators import kit


def a_kit_task(tools_url: str, token: str = "token-1") -> kit.Task:
    return kit.Task.from_message(task_message(tools_url=tools_url, token=token))


def test_progress_reaches_the_tool_endpoint_with_the_tasks_token(tools: ToolServer) -> None:
    assert kit.report_progress(a_kit_task(tools.url, "token-2"), "Reading 3 of 9 invoices", 33)
    assert tools.called("report_progress") == [{"message": "Reading 3 of 9 invoices", "percent": 33.0}]
    assert tools.tokens_seen == ["token-2"]


def test_progress_without_a_percentage_is_reported(tools: ToolServer) -> None:
    assert kit.report_progress(a_kit_task(tools.url), "Thinking")
    assert tools.called("report_progress") == [{"message": "Thinking", "percent": None}]


def test_a_refused_token_does_not_raise_and_is_not_logged(
    tools: ToolServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not kit.report_progress(a_kit_task(tools.url, "stolen-token"), "Hello")
    log = capsys.readouterr().err
    assert "progress was not reported: the tool endpoint answered HTTP 401" in log
    assert "stolen-token" not in log


def test_a_report_the_tool_refuses_says_so(tools: ToolServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert not kit.report_progress(a_kit_task(tools.url), "Hello", "half")  # pyright: ignore[reportArgumentType]
    assert "the tool endpoint refused" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/mcp", "not an address", ""])
def test_an_endpoint_that_is_not_there_does_not_raise(url: str) -> None:
    assert not kit.report_progress(a_kit_task(url), "Hello")


def test_a_server_that_answers_something_else_does_not_raise() -> None:
    with serving(JSONResponse(["unexpected"])) as url:
        assert not kit.report_progress(a_kit_task(f"{url}/mcp"), "Hello")
