"""openai-action when an endpoint fails: the reason, and whether another attempt can help."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from child_process import Child, declared_command
from live_tool_server import ToolServer
from scripted_model import ScriptedModel, fails, says

MakeTask = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("status", "retryable"), [(429, True), (500, True), (503, True), (400, False), (401, False), (404, False)]
)
def test_the_status_says_whether_another_attempt_can_help(
    action: Child, model: ScriptedModel, a_task: MakeTask, status: int, retryable: bool
) -> None:
    model.script = [fails(status, "words of the server")]
    assert action.failure(a_task()) == (f"The model endpoint answered HTTP {status}: words of the server", retryable)
    assert len(model.bodies) == 1, "the pod retries, not the orchestrator"


def test_the_reason_does_not_repeat_the_token(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [fails(401, "Incorrect API key provided: token-1.")]
    reason, _ = action.failure(a_task())
    assert reason == "The model endpoint answered HTTP 401: Incorrect API key provided: ***."


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", "{}", '{"choices": []}', '{"choices": [{}]}'])
def test_an_error_without_the_usual_body_still_names_the_status(
    action: Child, model: ScriptedModel, a_task: MakeTask, body: str
) -> None:
    model.script = [(502, body)]
    reason, retryable = action.failure(a_task())
    assert reason.startswith("The model endpoint answered HTTP 502: ")
    assert retryable


@pytest.mark.parametrize("body", ["<html>Welcome</html>", "{}", '{"choices": []}', '{"choices": [{}]}', '"text"'])
def test_an_answer_without_a_message_is_a_failure_worth_another_attempt(
    action: Child, model: ScriptedModel, a_task: MakeTask, body: str
) -> None:
    model.script = [(200, body)]
    reason, retryable = action.failure(a_task())
    assert reason.startswith("The model endpoint")
    assert retryable


def test_a_model_endpoint_that_is_not_there_is_worth_another_attempt(action: Child, a_task: MakeTask) -> None:
    reason, retryable = action.failure(a_task(model_url="http://127.0.0.1:9/v1"))
    assert reason.startswith("The model endpoint could not be reached: ")
    assert retryable


def test_a_tool_endpoint_that_is_not_there_is_worth_another_attempt(action: Child, a_task: MakeTask) -> None:
    reason, retryable = action.failure(a_task(tools_url="http://127.0.0.1:9/mcp"))
    assert reason == "The tool endpoint could not be opened: All connection attempts failed"
    assert retryable


def test_a_token_the_tool_endpoint_does_not_take_fails_the_task(
    action: Child, tools: ToolServer, a_task: MakeTask
) -> None:
    tools.tokens.clear()
    reason, _ = action.failure(a_task())
    assert reason.startswith("The tool endpoint could not be opened: ")


def test_a_model_that_declines_is_an_incident(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [says(None, refusal="I cannot help with that.")]
    assert action.failure(a_task()) == ("The model declined: I cannot help with that.", False)
    model.script = [says("", finish_reason="content_filter")]
    assert action.failure(a_task()) == ("The model declined: its content filter stopped the answer", False)


def test_an_answer_cut_off_at_the_token_limit_is_not_taken_for_whole(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    model.script = [says("Refunds take", finish_reason="length")]
    reason, retryable = action.failure(a_task())
    assert "cut off at its token limit" in reason
    assert not retryable


def test_after_failures_the_process_takes_the_next_task(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [fails(500, "down"), says("up again")]
    action.failure(a_task())
    assert action.output(a_task()) == {"text": "up again"}


def test_the_end_of_stdin_ends_openai_action_with_exit_code_0(
    start: Callable[[list[str]], Child], model: ScriptedModel, a_task: MakeTask
) -> None:
    child = start(declared_command("openai-action"))
    model.script = [says("done")]
    child.send(json.dumps(a_task()))
    assert child.next_answer() is not None
    assert child.close() == 0
