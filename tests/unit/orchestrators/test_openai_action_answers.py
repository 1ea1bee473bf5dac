"""openai-action's answers: checked against the schema and against the documents the tools returned."""

from collections.abc import Callable
from typing import Any

from child_process import Child
from live_tool_server import ToolServer
from loopback_server import serving
from mcp.server.mcpserver import MCPServer
from scripted_model import ScriptedModel, calls, says, says_json

MakeTask = Callable[..., dict[str, Any]]

VERDICT = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "reason": {"type": "string"}},
    "required": ["approved", "reason"],
    "additionalProperties": False,
}
REPORT = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "sources": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"document_id": {"type": "string"}, "title": {"type": "string"}},
                "required": ["document_id", "title"],
            },
        },
    },
    "required": ["text", "sources"],
}
SEARCH = calls("search_documents", {"query": "refund"})


def test_a_valid_answer_needs_no_second_request(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [says('```json\n{"approved": true, "reason": "complete"}\n```')]
    assert action.output(a_task(output_schema=VERDICT)) == {"approved": True, "reason": "complete"}
    assert len(model.bodies) == 1
    assert '"approved"' in model.requests[0]["messages"][0]["content"], "the schema is in the system prompt"


def test_an_answer_in_prose_is_asked_for_again_in_the_schemas_format_without_tools(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    model.script = [says("I approve."), says_json(approved=True, reason="complete")]
    assert action.output(a_task(output_schema=VERDICT)) == {"approved": True, "reason": "complete"}
    first, second = model.requests
    assert "response_format" not in first
    assert "tools" not in second
    assert second["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "output", "schema": VERDICT, "strict": True},
    }
    answer, correction = second["messages"][-2:]
    assert answer == {"role": "assistant", "content": "I approve."}
    assert "Your answer cannot be used:\nIt is not a JSON object: Expecting value" in correction["content"]


def test_where_no_tool_is_offered_the_format_is_asked_for_at_once(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    model.script = [says_json(approved=True, reason="complete")]
    with serving(MCPServer("bare", log_level="CRITICAL").streamable_http_app(stateless_http=True)) as url:
        action.output(a_task(output_schema=VERDICT, tools_url=f"{url}/mcp"))
    assert model.requests[0].keys() == {"model", "messages", "response_format"}
    assert "Use the tools" not in model.requests[0]["messages"][0]["content"]


def test_a_schema_outside_strict_mode_is_sent_without_it(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [says("prose"), says_json(text="14 days", sources=[])]
    action.output(a_task(output_schema=REPORT))
    assert model.requests[1]["response_format"]["json_schema"]["strict"] is False


def test_a_schema_violation_is_fed_back_with_its_place(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [says_json(approved="yes", reason="complete"), says_json(approved=True, reason="complete")]
    assert action.output(a_task(output_schema=VERDICT))["approved"] is True
    assert "$.approved: 'yes' is not of type 'boolean'" in model.requests[1]["messages"][-1]["content"]


def test_after_two_corrections_the_task_fails_with_the_violation(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    model.script = [says("no"), says("[]"), says_json(approved=True), says_json(approved=True, reason="too late")]
    reason, retryable = action.failure(a_task(output_schema=VERDICT))
    assert reason == "The answer was still invalid after 2 corrections: $: 'reason' is a required property"
    assert not retryable
    assert len(model.bodies) == 3


def test_an_empty_answer_is_asked_for_again(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [says(None), says("14 days.")]
    assert action.output(a_task()) == {"text": "14 days."}


def test_a_source_no_tool_returned_is_dropped_and_people_are_told(
    action: Child, model: ScriptedModel, tools: ToolServer, a_task: MakeTask
) -> None:
    sources = [{"document_id": "doc-99", "title": "Invented"}, {"document_id": "doc-7", "title": "wrong title"}]
    model.script = [SEARCH, says_json(text="Within 14 days [2], or at once [1].", sources=sources)]
    assert action.output(a_task(output_schema=REPORT)) == {
        "text": "Within 14 days [1], or at once.",
        "sources": [{"document_id": "doc-7", "title": "Refund policy"}],
    }
    notice = "Left out sources which no tool returned: doc-99"
    assert tools.called("report_progress") == [{"message": notice, "percent": None}]
    assert notice in action.stderr.read_text()


def test_a_missing_title_comes_from_the_tools(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    model.script = [
        calls("read_document", {"document_id": "doc-7"}),
        says_json(text="14 days", sources=[{"document_id": "doc-7"}]),
    ]
    output = action.output(a_task(output_schema=REPORT))
    assert output["sources"] == [{"document_id": "doc-7", "title": "Refund policy"}]


def test_documents_of_an_earlier_task_are_no_sources(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    source = {"document_id": "doc-7", "title": "Refund policy"}
    model.script = [SEARCH, says_json(text="a", sources=[source]), says_json(text="b", sources=[source])]
    assert action.output(a_task(output_schema=REPORT))["sources"] == [source]
    assert action.output(a_task(output_schema=REPORT))["sources"] == []


def test_citations_without_sources_are_sent_back(action: Child, model: ScriptedModel, a_task: MakeTask) -> None:
    source = {"document_id": "doc-7", "title": "Refund policy"}
    model.script = [
        SEARCH,
        says_json(text="14 days [1]", sources=[]),
        says_json(text="14 days [1]", sources=[source]),
    ]
    assert action.output(a_task(output_schema=REPORT))["sources"] == [source]
    assert "the texts cite [n]; list the documents" in model.requests[2]["messages"][-1]["content"]


def test_citations_without_sources_do_not_fail_a_valid_answer(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    model.script = [SEARCH, *[says_json(text="row [1]", sources=[])] * 3]
    assert action.output(a_task(output_schema=REPORT)) == {"text": "row [1]", "sources": []}
    assert len(model.bodies) == 4


def test_a_schema_that_is_wrong_is_refused_before_any_model_call(
    action: Child, model: ScriptedModel, a_task: MakeTask
) -> None:
    reason, retryable = action.failure(a_task(output_schema={"type": "objekt"}))
    assert reason == "output_schema.type is 'objekt'; an output is an object, so it must be 'object'."
    assert not retryable
    assert model.bodies == []
