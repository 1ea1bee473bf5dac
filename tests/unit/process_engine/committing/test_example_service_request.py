"""The example process, run through with outputs an agent and a person could give."""

from pathlib import Path
from typing import Any

import pytest
from bpmn_writing import Run
from jsonschema import Draft202012Validator, ValidationError
from lxml import etree

from process_engine.reading.definition import Definition, parse
from process_engine.running.work import NewTask

FILE = Path(__file__).parents[4] / "examples" / "service_request" / "service_request.bpmn"
SOURCE = {"document_id": "d1", "title": "환불 규정", "quote": "7일 이내"}
DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"


@pytest.fixture(scope="module")
def definition() -> Definition:
    return parse(FILE.read_bytes())


def check(task: NewTask, schema: dict[str, Any] | None, value: dict[str, Any]) -> None:
    assert schema is not None, task.activity_id
    Draft202012Validator(schema).validate(value)


def answered(run: Run, activity_id: str, **output: Any) -> Run:
    """Complete an agent's task with an output that its schema allows."""
    task = run.task(activity_id)
    check(task, task.output_schema, output)
    return run.do(activity_id, **output)


def reviewed(run: Run, activity_id: str, **form: Any) -> Run:
    """Submit the form of a drafted task; the agent's draft and the form must fit their schemas."""
    task = run.task(activity_id)
    check(task, task.output_schema, {"answer": form["answer"], "sources": [SOURCE]})
    check(task, task.form, form)
    return run.do(activity_id, **form)


def test_the_definition_says_who_it_needs(definition: Definition) -> None:
    assert (definition.id, definition.name) == ("service_request", "Service request")
    assert definition.orchestrators == {"openai-action"}
    assert definition.agents == {"classifier", "troubleshooter", "librarian", "archivist"}


def test_a_problem_is_drafted_sent_back_drafted_again_and_filed(definition: Definition) -> None:
    run = Run(definition, request="환불이 안 됩니다", requester="kim@example.com")
    classify = run.task("classify")
    assert (classify.agent, classify.agent_mode, classify.input) == (
        "classifier",
        "complete",
        {"request": "환불이 안 됩니다"},
    )

    answered(run, "classify", category="problem", summary="Refund fails")
    draft = run.task("draft_solution")
    assert run.open == ["draft_solution"]
    assert (draft.orchestrator, draft.agent, draft.agent_mode) == ("openai-action", "troubleshooter", "draft")
    assert (draft.candidate_groups, draft.iteration) == (["support"], 1)
    assert "comment" not in draft.instruction

    reviewed(run, "draft_solution", decision="send_back", answer="잠시 기다리세요", comment="더 자세히")
    again = run.task("draft_solution")
    assert again.iteration == 2
    assert again.instruction.endswith("take this comment into account: 더 자세히")
    assert again.instruction.startswith(draft.instruction)

    reviewed(run, "draft_solution", decision="approve", answer="7일 이내에 하세요", sources=[SOURCE])
    save = run.task("save_result")
    assert (save.agent, save.agent_mode) == ("archivist", "complete")
    assert 'titled "Refund fails"' in save.instruction
    assert "save_document" in save.instruction
    assert save.input == {
        "title": "Refund fails",
        "request": "환불이 안 됩니다",
        "answer": "7일 이내에 하세요",
        "sources": [SOURCE],
    }

    answered(run, "save_result", document_id="d9", title="Refund fails")
    assert run.ended
    assert run.trace == ["classify", "draft_solution", "draft_solution", "save_result"]
    assert run.variables["document_id"] == "d9"


def test_a_question_goes_to_the_librarian_and_may_be_approved_without_sources(definition: Definition) -> None:
    run = Run(definition, request="When do you open?", requester="kim@example.com")
    answered(run, "classify", category="question", summary="Opening hours")
    assert run.task("draft_answer").agent == "librarian"
    reviewed(run, "draft_answer", decision="approve", answer="At nine.")
    assert run.task("save_result").input["sources"] == []
    answered(run, "save_result", document_id="d2", title="Opening hours")
    assert run.trace == ["classify", "draft_answer", "save_result"]
    assert run.ended


@pytest.mark.parametrize("comment", ["", None])
def test_sent_back_without_a_comment_the_instruction_stays_as_it_was(
    definition: Definition, comment: str | None
) -> None:
    run = Run(definition, request="When?", requester="kim@example.com").do("classify", category="question", summary="s")
    first = run.task("draft_answer").instruction
    run.do("draft_answer", decision="send_back", answer="?", comment=comment)
    assert run.task("draft_answer").instruction == first


def test_the_schemas_refuse_what_the_flow_could_not_use(definition: Definition) -> None:
    run = Run(definition, request="x", requester="y")
    task = run.task("classify")
    with pytest.raises(ValidationError):
        check(task, task.output_schema, {"category": "complaint", "summary": "s"})
    run.do("classify", category="question", summary="s")
    task = run.task("draft_answer")
    with pytest.raises(ValidationError):
        check(task, task.output_schema, {"answer": "without sources"})
    with pytest.raises(ValidationError):
        check(task, task.form, {"decision": "maybe", "answer": "a"})


def test_every_node_and_flow_is_drawn(definition: Definition) -> None:
    root = etree.parse(FILE).getroot()
    graph = definition.spec["graph"]
    shapes = {shape.get("bpmnElement") for shape in root.iter(f"{DI}BPMNShape")}
    edges = {edge.get("bpmnElement") for edge in root.iter(f"{DI}BPMNEdge")}
    assert shapes == {node["id"] for node in graph["nodes"]}
    assert edges == {flow["id"] for flow in graph["flows"]}


def test_incoming_and_outgoing_say_the_same_as_the_flows(definition: Definition) -> None:
    root = etree.parse(FILE).getroot()
    drawn = {(ref.getparent().get("id"), ref.text) for ref in root.iter(f"{BPMN}incoming", f"{BPMN}outgoing")}
    flows = definition.spec["graph"]["flows"]
    assert drawn == {(flow[end], flow["id"]) for flow in flows for end in ("source", "target")}
