"""openai-action's conversation: what it tells the model, and the tools in between."""

import json
from collections.abc import Callable
from typing import Any

from child_process import Child
from live_tool_server import ToolServer
from scripted_model import ScriptedModel, calls, says, says_json

MakeTask = Callable[..., dict[str, Any]]


def test_without_tools_or_schema_the_answer_is_the_text(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [says("Refunds take 14 days.")]
    assert action.output(a_task()) == {"text": "Refunds take 14 days."}


def test_the_model_is_told_who_it_is_what_to_do_and_with_what(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    model.script = [says("done")]
    agent = {"id": "a", "name": "Mina", "role": "clerk", "goal": "order", "persona": "", "model": "m", "tools": []}
    action.output(a_task(instruction="Sort {these}.", input={"b": 1, "a": {"z": "ü", "y": 2}}, agent=agent))
    request = model.requests[0]
    system, user = (message["content"] for message in request["messages"])
    assert system.startswith("You are Mina.\nYour role: clerk\nYour goal: order\n\nDo the user's task")
    assert user == 'Sort {these}.\n\nInput:\n{\n  "a": {\n    "y": 2,\n    "z": "ü"\n  },\n  "b": 1\n}\n'.rstrip("\n")
    assert request["model"] == "test-model"
    assert request.keys() == {"model", "messages", "tools"}


def test_tools_are_offered_as_functions_and_their_results_go_back_to_the_model(
    action: Child, model: ScriptedModel, tools: ToolServer, a_task: MakeTask
) -> None:
    model.script = [calls("search_documents", {"query": "refund"}), says("14 days.")]
    assert action.output(a_task()) == {"text": "14 days."}
    assert tools.called("search_documents") == [{"query": "refund", "limit": 5}]
    functions = [tool["function"] for tool in model.requests[0]["tools"]]
    assert [function["name"] for function in functions] == [
        *("read_document", "report_progress", "save_document", "search_documents")
    ]
    assert functions[3]["description"] == "Find passages in the tenant's documents."
    assert functions[3]["parameters"]["required"] == ["query"]
    asked, told = model.requests[1]["messages"][2:]
    assert asked["tool_calls"][0]["function"] == {"name": "search_documents", "arguments": '{"query": "refund"}'}
    assert (told["role"], told["tool_call_id"]) == ("tool", "call-1")
    assert json.loads(told["content"])["results"][0]["text"] == "Refunds are paid within 14 days."


def test_an_agents_tools_are_all_it_is_offered(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [says("done")]
    action.output(a_task(agent={"name": "Mina", "tools": ["read_document"]}))
    assert [tool["function"]["name"] for tool in model.requests[0]["tools"]] == ["read_document"]


def test_a_tool_the_agent_lacks_is_not_run_even_if_the_model_asks(
    action: Child, model: ScriptedModel, tools: ToolServer, a_task: MakeTask
) -> None:
    model.script = [calls("save_document", {"title": "t", "content": "c"}), says("could not save")]
    action.output(a_task(agent={"tools": ["read_document", "search_documents"]}))
    assert tools.calls == []
    assert model.requests[1]["messages"][-1]["content"] == (
        "Error: there is no tool 'save_document'; there are read_document, search_documents."
    )


def test_an_agent_tool_nobody_offers_is_refused_before_any_model_call(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    reason, retryable = action.failure(a_task(agent={"tools": ["send_money"]}))
    assert reason.startswith("agent.tools names send_money, which the tool endpoint does not offer; it offers read_")
    assert not retryable
    assert model.bodies == []


def test_a_tools_error_is_told_to_the_model_which_goes_on(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    model.script = [calls("read_document", {"document_id": "doc-404"}), says("It does not exist.")]
    assert action.output(a_task()) == {"text": "It does not exist."}
    content = model.requests[1]["messages"][-1]["content"]
    assert content.startswith("Error: ")
    assert "There is no document doc-404." in content


def test_broken_arguments_are_told_to_the_model_and_no_tool_runs(
    action: Child, model: ScriptedModel, tools: ToolServer, a_task: MakeTask
) -> None:
    model.script = [calls("read_document", '{"document_id": '), calls("read_document", "[1]"), says("I give up.")]
    assert action.output(a_task()) == {"text": "I give up."}
    assert tools.calls == []
    contents = [message["content"] for message in model.requests[2]["messages"] if message["role"] == "tool"]
    assert contents[0].startswith("Error: Expecting value")
    assert contents[1] == "Error: the arguments must be an object, not [1]."


def test_a_tool_endpoint_that_fails_in_the_middle_is_told_to_the_model(
    action: Child, model: ScriptedModel, tools: ToolServer, a_task: MakeTask
) -> None:
    tools.calls_break = True
    model.script = [calls("search_documents", {"query": "refund"}), says("Without it.")]
    assert action.output(a_task()) == {"text": "Without it."}
    assert model.requests[1]["messages"][-1]["content"] == "Error: Server returned an error response"


def test_after_twenty_rounds_of_tools_the_task_fails(
    action: Child, model: ScriptedModel, tools: ToolServer, a_task: MakeTask
) -> None:
    model.script = [calls("search_documents", {"query": str(number)}) for number in range(30)]
    reason, retryable = action.failure(a_task())
    assert reason == "No answer after 20 rounds: the model went on calling tools."
    assert not retryable
    assert len(model.bodies) == 20
    assert len(tools.called("search_documents")) == 19


def test_two_tasks_in_sequence_use_their_own_tokens(
    action: Child, model: ScriptedModel, tools: ToolServer, a_task: MakeTask
) -> None:
    for token in ("token-1", "token-2"):
        tools.tokens_seen.clear()
        model.tokens_seen.clear()
        model.script = [calls("search_documents", {"query": "refund"}), says("14 days.")]
        action.output(a_task(token=token))
        assert set(tools.tokens_seen) == {token}
        assert model.tokens_seen == [token, token]


def test_a_task_that_is_started_again_sends_the_same_bytes(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    script = [calls("search_documents", {"query": "refund"}), says("14 days"), says_json(answer="14 days")]
    for attempt, values in ((1, '{"b": 1, "a": 2}'), (2, '{"a": 2, "b": 1}')):
        model.script = list(script)
        process = {"instance_id": f"instance-{attempt}", "activity_id": "a"}
        token = f"token-{attempt}"
        task = a_task(token=token, attempt=attempt, process=process, input=json.loads(values), output_schema=schema)
        action.output(task)
    assert len(model.bodies) == 6
    assert model.bodies[:3] == model.bodies[3:]
