"""A CrewAI crew under a pod: its output, its sources, its failures, and that it speaks to its two endpoints alone."""

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import child_process
import pytest
from child_process import Child
from crew_environment import crew_declaration
from live_tool_server import ToolServer, tool_server
from pydantic import Field
from scripted_model import ScriptedModel, _completion, calls, fails, says, says_json, scripted_model

pytestmark = pytest.mark.chaos
SCHEMA = {
    "type": "object",
    "properties": {
        "answer": {"type": "string"},
        "sources": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"document_id": {"type": "string"}, "title": {"type": "string"}},
                "required": ["document_id"],
            },
        },
    },
    "required": ["answer", "sources"],
}
AGENT = {"id": "a", "name": "Ann", "role": "Clerk", "goal": "Help people", "persona": "Kind.", "model": "", "tools": []}
GOOD = {"answer": "Within 14 days [1].", "sources": [{"document_id": "doc-7", "title": "Refund policy"}]}
NO_OTHER_PLACE = """
import os, sys

def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        place = args[1][0] if event == "socket.connect" and isinstance(args[1], tuple) else args[0]
        if place not in ("127.0.0.1", "localhost", "::1") and isinstance(place, str):
            os.write(2, f"OUTSIDE {event} {place}\\n".encode())

sys.addaudithook(watch)
"""
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    """A warm crewai-action that writes down every look to another place than this machine."""
    home = tmp_path_factory.mktemp("crew")
    (home / "sitecustomize.py").write_text(NO_OTHER_PLACE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child_process, "PATIENCE_SECONDS", 120)
        patch.setattr(child_process, "CHECKOUT", f"{home}:{child_process.CHECKOUT}")
        with Child(crew_declaration().argv, home) as child:
            yield child


@pytest.fixture
def task(tools: ToolServer, model: ScriptedModel, a_task: Ask) -> Ask:
    """A task message for the crew."""

    def make(**fields: Any) -> dict[str, Any]:
        asked = {"instruction": "When are refunds paid?", "output_schema": SCHEMA, "agent": AGENT}
        return a_task(**{**asked, **fields})

    return make


def two_at_once(name: str, arguments: dict[str, Any]) -> tuple[int, str]:
    asked = {"name": name, "arguments": json.dumps(arguments)}
    made = [{"id": f"call-{n}", "type": "function", "function": asked} for n in (1, 2)]
    return _completion({"role": "assistant", "content": None, "tool_calls": made}, "tool_calls")


def test_it_calls_tools_at_once_and_again_and_keeps_the_sources_that_tools_returned(
    crew: Child, tools: ToolServer, model: ScriptedModel, task: Ask
) -> None:
    invented = {**GOOD, "sources": [*GOOD["sources"], {"document_id": "made-up"}]}
    search = ("search_documents", {"query": "refund"})
    model.script = [two_at_once(*search), calls(*search), says_json(**invented)]
    assert crew.output(task()) == GOOD
    assert len(tools.called("search_documents")) == 3
    [told] = tools.called("report_progress")
    assert told["message"] == "Left out sources which no tool returned: made-up"
    system, user = (message["content"] for message in model.requests[0]["messages"])
    assert "Clerk" in system and "Kind." in system and "Help people" in system
    assert "When are refunds paid?" in user and '"document_id"' in user
    assert {tool["function"]["name"] for tool in model.requests[0]["tools"]} >= {"search_documents", "save_document"}


def test_a_tools_error_goes_back_to_the_model(crew: Child, tools: ToolServer, model: ScriptedModel, task: Ask) -> None:
    model.script = [calls("read_document", {"document_id": "nowhere"}), says("I found nothing.")]
    assert crew.output(task(output_schema=None)) == {"text": "I found nothing."}
    assert "There is no document nowhere." in model.requests[1]["messages"][-1]["content"]
    assert len(tools.called("read_document")) == 1


def test_an_invalid_answer_is_corrected_and_refused_the_third_time(
    crew: Child, model: ScriptedModel, task: Ask
) -> None:
    model.script = [says("Soon."), says_json(answer="Within 14 days.", sources=[])]
    assert crew.output(task()) == {"answer": "Within 14 days.", "sources": []}
    assert "not a JSON object" in json.dumps(model.requests[1])
    model.script = [says("Soon."), says_json(answer=1, sources=[]), says_json(answer="x")]
    reason, retryable = crew.failure(task())
    assert "still invalid after 2 corrections: $: 'sources' is a required property" in reason and not retryable


@pytest.mark.parametrize(("status", "retryable"), [(500, True), (400, False), (401, False)])
def test_a_model_endpoint_that_fails_is_asked_once(
    crew: Child, model: ScriptedModel, task: Ask, status: int, retryable: bool
) -> None:
    model.script = [fails(status, "no, thank you"), says("unwanted")]
    assert crew.failure(task()) == (f"The model endpoint answered HTTP {status}: no, thank you", retryable)
    assert len(model.bodies) == 1


def test_a_tool_nobody_offers_and_a_tool_endpoint_that_is_away_are_told(crew: Child, task: Ask) -> None:
    reason, retryable = crew.failure(task(agent={**AGENT, "tools": ["fly"]}))
    assert "agent.tools names fly, which the tool endpoint does not offer" in reason and not retryable
    reason, retryable = crew.failure(task(tools_url="http://127.0.0.1:9/mcp"))
    assert "The tool endpoint could not be opened" in reason and retryable


def test_a_tool_that_crewai_cannot_express_is_left_out_or_refused_where_it_is_named(
    crew: Child, model: ScriptedModel, task: Ask
) -> None:
    def odd(name: Annotated[str, Field(alias="_name")]) -> dict[str, Any]:
        """Pydantic has no field of this name."""
        return {}

    with tool_server(odd) as server:
        server.tokens = {"token-1"}
        model.script = [says("Done.")]
        assert crew.output(task(tools_url=server.url, output_schema=None)) == {"text": "Done."}
        assert "odd" not in {tool["function"]["name"] for tool in model.requests[0]["tools"]}
        assert "Left out a tool" in server.called("report_progress")[0]["message"]
        reason, retryable = crew.failure(task(tools_url=server.url, agent={**AGENT, "tools": ["odd"]}))
        assert "cannot express the arguments of the tool odd" in reason and not retryable


def test_its_requests_are_the_same_at_other_addresses(
    crew: Child, tools: ToolServer, model: ScriptedModel, task: Ask
) -> None:
    script = [calls("search_documents", {"query": "refund"}), says("bad"), says_json(**GOOD)]
    model.script = list(script)
    assert crew.output(task()) == GOOD
    with tool_server() as elsewhere, scripted_model() as another:
        elsewhere.tokens = {"token-2"}
        another.script = list(script)
        moved = {"model_url": another.url, "tools_url": elsewhere.url, "token": "token-2", "attempt": 2}
        assert crew.output(task(**moved)) == GOOD
        assert another.bodies == model.bodies


def test_it_looks_for_nothing_outside(crew: Child, tools: ToolServer, model: ScriptedModel, task: Ask) -> None:
    model.script = [calls("search_documents", {"query": "refund"}), says_json(**GOOD)]
    crew.output(task())
    assert "OUTSIDE" not in crew.stderr.read_text()
    crew.send(json.dumps(task(model_url="http://elsewhere.invalid/v1")))
    assert (crew.next_answer() or {})["type"] == "failed"
    assert "OUTSIDE socket.getaddrinfo elsewhere.invalid" in crew.stderr.read_text(), "the watch works"
