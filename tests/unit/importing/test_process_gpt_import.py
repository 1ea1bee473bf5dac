"""A definition of Process GPT becomes BPMN that the engine runs; whatever is different in it is in the report."""

import json
from pathlib import Path
from typing import Any

import pytest
import SpiffWorkflow
from lxml import etree

from importing.process_gpt.convert import Imported, convert
from importing.process_gpt.findings import Outcome
from importing.process_gpt.model import ImportRefused
from process_engine.reading.definition import parse
from process_engine.running import steps
from process_engine.values.errors import StepFailed

SAMPLES = Path(__file__).parents[2] / "process_gpt"
XSD = Path(SpiffWorkflow.__file__).parent / "bpmn" / "parser" / "schema" / "BPMN20.xsd"
BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
DI = "{http://www.omg.org/spec/BPMN/20100524/DI}"
ALL = sorted(path.stem for path in SAMPLES.glob("*.json"))


def chosen(orchestration: str) -> str:
    return {"deepagents": "browser"}.get(orchestration, "openai-action")


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def imported(definition: Any) -> Imported:
    return convert(json.dumps(definition).encode(), chosen)


def small(*sequences: dict[str, Any], gateway: str = "exclusiveGateway", **more: Any) -> dict[str, Any]:
    """Start, activity a, gateway g, activities b and c, end; `sequences` are those that leave the gateway."""
    activities = [{"id": key, "name": key, "type": "userTask"} for key in "abc"]
    ends = [("s", "a"), ("a", "g"), ("b", "e"), ("c", "e")]
    return {
        "processDefinitionId": "small", "processDefinitionName": "Small", "activities": activities,
        "gateways": [{"id": "g", "type": gateway}],
        "events": [{"id": "s", "type": "startEvent"}, {"id": "e", "type": "endEvent"}],
        "sequences": [*({"id": f"{x}{y}", "source": x, "target": y} for x, y in ends), *sequences], **more,
    }  # fmt: skip


def branch(target: str, source: str = "g", name: str = "", **properties: Any) -> dict[str, Any]:
    ends = {"id": f"{source}{target}", "source": source, "target": target}
    return {**ends, "name": name, "properties": json.dumps(properties)}


def told(result: Imported, outcome: Outcome) -> dict[str, str]:
    return {finding.element: finding.what for finding in result.findings.of(outcome)}


class Walk:
    """A process instance of an import."""

    def __init__(self, result: Imported, **variables: Any) -> None:
        self.spec = parse(result.bpmn).spec
        self.step = steps.start(self.spec, variables)
        self.open = [*self.step.new_tasks]

    def do(self, activity: str, **output: Any) -> "Walk":
        task = next(task for task in self.open if task.activity_id == activity)
        self.step = steps.complete(self.spec, self.step.state, task.token_id, output)
        self.open = [other for other in self.open if other is not task] + [*self.step.new_tasks]
        return self

    @property
    def waits(self) -> list[str]:
        return sorted(task.activity_id for task in self.open)


@pytest.mark.parametrize("name", ALL)
def test_the_file_is_bpmn_by_its_schema_and_wholly_drawn(name: str) -> None:
    result = imported(sample(name))
    root = etree.fromstring(result.bpmn)
    etree.XMLSchema(etree.parse(XSD)).assertValid(root)
    nodes = {
        e.get("id")
        for e in root.iter()
        if e.find(f"{BPMN}incoming") is not None or e.find(f"{BPMN}outgoing") is not None
    }
    flows = {e.get("id") for e in root.iter(f"{BPMN}sequenceFlow")}
    assert {shape.get("bpmnElement") for shape in root.iter(f"{DI}BPMNShape")} == nodes
    assert {edge.get("bpmnElement") for edge in root.iter(f"{DI}BPMNEdge")} == flows


@pytest.mark.parametrize("name", ALL)
def test_every_element_of_the_file_is_in_the_model_or_in_the_report(name: str) -> None:
    result = imported(sample(name))
    there = {element.get("id") for element in etree.fromstring(result.bpmn).iter()}
    there |= {finding.element for finding in result.findings.sorted()}
    there |= {finding.original for finding in result.findings.sorted()}
    left_out = told(result, Outcome.LEFT_OUT)
    for element in elements_of(sample(name)):
        ends = {element.get("source"), element.get("target")} if "target" in element else set()
        assert element["id"] in there or ends & set(left_out) or ends & there, element["id"]


def elements_of(definition: Any) -> list[dict[str, Any]]:
    definition = definition.get("definition", definition)
    lists = ("activities", "gateways", "events", "sequences", "subProcesses", "elements")
    return [element for key in lists for element in definition.get(key) or []]


def test_a_leave_request_runs_both_ways() -> None:
    result = imported(sample("leave_request"))
    assert (result.id, result.name) == ("leave_request", "Leave request")
    walk = Walk(result).do("apply", days=5, reason="wedding")
    assert walk.waits == ["summarize"]
    assert walk.open[0].input == {"days": 5, "reason": "wedding"}
    walk.do("summarize", summary="Five days for a wedding.")
    [task] = walk.open
    assert (task.agent_mode, task.orchestrator, task.agent, task.assignee) == (
        "draft", "openai-action", "hr-assistant", "mia@example.com",
    )  # fmt: skip
    assert task.form is not None and set(task.form["properties"]) == {"decision", "comment"}
    assert walk.do("approve", decision="grant").step.ended
    short = Walk(result).do("apply", days=1, reason="")
    assert short.waits == ["approve"] and short.do("approve", decision="ask").step.ended


def test_agents_must_answer_the_form_and_checkpoints_are_in_the_instruction() -> None:
    walk = Walk(imported(sample("leave_request"))).do("apply", days=5, reason="wedding")
    [task] = walk.open
    assert task.instruction == "Sum the request up in one sentence.\n\nCheckpoints:\n- The reason is named"
    assert task.output_schema is not None and task.output_schema["required"] == ["summary"]


def test_a_sub_process_that_is_listed_twice_is_there_once_with_its_conditions() -> None:
    result = imported(sample("vip_newsletter"))
    graph = parse(result.bpmn).spec["graph"]
    assert [node["id"] for node in graph["nodes"]] == ["draft", "confirm", "start", "end", "Sub_vip"]
    walk = Walk(result).do("draft", vips=[{"name": "Kim"}])
    walk.do("write", 본문="안녕").do("review", approval_status=["rewrite"])
    assert walk.waits == ["write"]
    walk.do("write", 본문="안녕하세요").do("review", approval_status="approved")
    assert walk.waits == ["confirm"]
    assert walk.step.variables["Sub_vip_results"] == [{"본문": "안녕하세요", "approval_status": "approved"}]


def test_a_sub_process_runs_for_each_item_and_no_instance_sees_what_another_filled_in() -> None:
    result = imported(sample("vip_newsletter"))
    assert "vips_item" in " ".join(finding.what for finding in result.findings.of(Outcome.CHANGED))
    walk = Walk(result).do("draft", vips=[{"name": "Kim"}, {"name": "Lee"}])
    assert walk.waits == ["write", "write"]
    assert [task.input["vips_item"]["name"] for task in walk.open] == ["Kim", "Lee"]
    walk.do("write", 본문="for Kim").do("write", 본문="for Lee")
    assert sorted(task.input["본문"] for task in walk.open) == ["for Kim", "for Lee"]
    walk.do("review", approval_status="approved")
    walk.do("review", approval_status="rewrite")
    assert walk.waits == ["write"]
    walk.do("write", 본문="for Lee again").do("review", approval_status="approved").do("confirm")
    assert walk.step.ended
    assert [each["본문"] for each in walk.step.variables["Sub_vip_results"]] == ["for Kim", "for Lee again"]


def in_sub_process(**properties: str) -> dict[str, Any]:
    inner = {"activities": [{"id": "x y", "name": "x", "type": "userTask", "tool": "formHandler:f"}]}
    sub = {"id": "sub-1", "name": "Each", "type": "subProcess", "children": inner, "properties": json.dumps(properties)}
    ends = [("s", "sub-1"), ("sub-1", "e")]
    return {
        "processDefinitionId": "p", "events": [{"id": "s", "type": "startEvent"}, {"id": "e", "type": "endEvent"}],
        "subProcesses": [sub], "sequences": [{"source": x, "target": y} for x, y in ends],
        "forms": [{"id": "f", "fields_json": [{"key": "a b", "type": "text"}]}],
    }  # fmt: skip


def test_a_number_of_times_is_kept() -> None:
    walk = Walk(imported(in_sub_process(forEachVariable="3")))
    assert walk.waits == ["x_y"] * 3
    for number in range(3):
        walk.do("x_y", **{"a b": number})
    assert walk.step.ended and walk.step.variables["sub_1_results"] == [{"a b": 0}, {"a b": 1}, {"a b": 2}]


def test_a_list_whose_name_is_no_name_for_a_variable_is_found() -> None:
    walk = Walk(imported(in_sub_process(determinationCode="some_form: 고객-목록")), **{"고객-목록": [1, 2]})
    assert walk.waits == ["x_y"] * 2 and [task.input["고객_목록_item"] for task in walk.open] == [1, 2]


def test_what_runs_for_each_of_something_in_words_asks_a_person_about_the_others() -> None:
    result = imported(in_sub_process(forEachVariable="for every customer"))
    assert "for each item" in told(result, Outcome.BY_HAND)["sub-1"]
    walk = Walk(result)
    assert walk.waits == ["sub-1_each"] and "for every customer" in walk.open[0].instruction
    assert walk.do("sub-1_each").waits == ["x_y"]


def test_the_designers_shape_is_read_and_what_cannot_run_becomes_a_persons_task() -> None:
    result = imported(sample("purchase"))
    walk = Walk(result, price=2000)
    assert walk.waits == ["check_stock"] and "Use the tool get_availability." in walk.open[0].instruction
    walk.do("check_stock")
    assert walk.waits == ["compute"] and "price = 3 * 7" in walk.open[0].instruction
    assert walk.open[0].agent_mode == "none"
    assert set(told(result, Outcome.BY_HAND)) == {"compute"}
    assert {"too_late", "remind", "s15", "s13"} <= set(told(result, Outcome.LEFT_OUT))


def test_a_call_activity_calls_the_definition_by_the_id_that_an_import_gives_it() -> None:
    result = imported(sample("purchase"))
    [call] = etree.fromstring(result.bpmn).iter("{http://camunda.org/schema/zeebe/1.0}calledElement")
    assert call.get("processId") == "tender_process"
    assert 'Deploy the definition "tender_process" first' in told(result, Outcome.TO_SET_UP)["tender"]
    assert "roleBindings" in told(result, Outcome.LEFT_OUT)["tender"]


def test_a_condition_in_words_stops_the_instance_and_is_quoted() -> None:
    result = imported(sample("purchase"))
    assert set(told(result, Outcome.STOPS)) == {"s4"}
    walk = Walk(result).do("check_stock")
    with pytest.raises(StepFailed) as incident:
        walk.do("compute", price=1)
    assert "the condition of s4 was not carried over: the price is small" in str(incident.value)
    assert "Process GPT: the price is small (it is in words)" in result.bpmn.decode()


def test_text_that_begins_like_an_expression_stays_text() -> None:
    tasks = parse(imported(sample("purchase")).bpmn).spec["work"]
    assert tasks["tell"]["instruction"] == '="=write a mail"'
    assert (tasks["tell"]["orchestrator"], tasks["tell"]["agent"], tasks["tell"]["agent_mode"]) == (
        "browser", "writer", "draft",
    )  # fmt: skip


def test_the_branch_with_the_lowest_priority_is_tried_first() -> None:
    both = [branch("b", conditionFunction="n > 1", priority=2), branch("c", conditionFunction="n > 2", priority="1")]
    walk = Walk(imported(small(*both)), n=3).do("a")
    assert walk.waits == ["c"]


@pytest.mark.parametrize(
    "mark", [{"default": True}, {"isDefault": "true"}, {"condition": "else"}, {"condition": "그 외"}, {}]
)
def test_the_default_is_what_is_marked_or_says_otherwise_or_alone_says_nothing(mark: dict[str, Any]) -> None:
    walk = Walk(imported(small(branch("b", conditionFunction="n > 1"), branch("c", **mark))), n=0).do("a")
    assert walk.waits == ["c"]


def test_two_branches_without_a_condition_stop_the_instance() -> None:
    result = imported(small(branch("b"), branch("c")))
    assert set(told(result, Outcome.STOPS)) == {"gb", "gc"}
    with pytest.raises(StepFailed, match="there is none"):
        Walk(result).do("a")


def test_an_inclusive_gateway_takes_every_true_branch() -> None:
    flows = (branch("b", conditionFunction="n > 1"), branch("c", conditionFunction="n > 2"))
    assert Walk(imported(small(*flows, gateway="inclusiveGateway")), n=3).do("a").waits == ["b", "c"]


def test_conditional_flows_that_leave_an_activity_get_a_gateway() -> None:
    flows = [branch("b", source="a", conditionFunction="n > 1"), branch("c", source="a")]
    definition = small(*flows)
    definition["sequences"] = [flow for flow in definition["sequences"] if "g" not in flow["id"]]
    definition["gateways"] = []
    assert Walk(imported(definition), n=0).do("a").waits == ["c"]
    assert Walk(imported(definition), n=2).do("a").waits == ["b", "c"]


def test_without_a_start_event_one_is_put_before_what_comes_first() -> None:
    definition = small(branch("b", conditionFunction="n > 1"), branch("c", default=True))
    definition["events"] = []
    definition["sequences"] = [
        flow for flow in definition["sequences"] if not {"s", "e"} & {flow["source"], flow["target"]}
    ]
    result = imported(definition)
    assert Walk(result, n=1).waits == ["a"] and "small" in told(result, Outcome.CHANGED)


def test_ids_that_xml_cannot_hold_are_renamed_and_told() -> None:
    definition = json.loads(json.dumps(small(branch("b", default=True), branch("c", conditionFunction="n > 1")))
                            .replace('"a"', '"1 first/step"').replace('"b"', '"small"'))  # fmt: skip
    result = imported(definition)
    assert Walk(result, n=0).waits == ["id_1_first_step"]
    assert {"id_1_first_step", "small_2"} <= set(told(result, Outcome.CHANGED))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b"[" * 100_000, "no JSON"),
        (b'{"processDefinitionId": "x"}', "activities or sequences"),
        (b'{"activities": [{"id": "a"}]}', "processDefinitionId"),
        (b'{"processDefinitionId": "x", "activities": [1]}', "activities"),
        (b'{"processDefinitionId": "x", "activities": [{"name": "a"}]}', "has no id"),
        (b'{"processDefinitionId": "x", "activities": [{"id": "a"}], "sequences": [{"source": "a"}]}', "target"),
        (b'{"processDefinitionId": "x", "elements": [{"elementType": "Lane", "id": "l"}]}', "Lane"),
        (b'{"processDefinitionId": "x", "activities": [{"id": "a"}], "forms": 3}', "forms"),
        (b'{"processDefinitionId": "x", "activities": [{"id": "a"}], "forms": [{"id": "f"}]}', "forms"),
        (b'{"processDefinitionId": "x", "activities": [{"id": "a"}], "gateways": [{"id": "g", "type": "XGateway"}]}',
         "xGateway"),
        (b" " * 5_000_001, "5000001 bytes"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_definition_is_refused_with_the_part_at_fault(content: bytes, part: str) -> None:
    with pytest.raises(ImportRefused) as refused:
        convert(content, chosen)
    assert part in str(refused.value) and refused.value.remedy


def test_subprocesses_without_end_are_refused() -> None:
    deep: dict[str, Any] = small(branch("b", default=True), branch("c", conditionFunction="n > 1"))
    for level in range(30):
        deep = {**small(), "subProcesses": [{"id": f"sub{level}", "type": "subProcess", "children": deep}]}
    with pytest.raises(ImportRefused, match="deeper than"):
        imported(deep)


def test_characters_that_xml_cannot_hold_are_dropped() -> None:
    definition = small(branch("b", default=True), branch("c", conditionFunction="n == 'x'"), description="a\x01b\ud800")
    definition["activities"][0]["instruction"] = 'do\x00 it\x0b <now> & "then"'
    walk = Walk(imported(definition), n=0)
    assert walk.open[0].instruction == 'do it <now> & "then"'


def test_the_report_is_plain_json() -> None:
    report = json.loads(json.dumps(imported(sample("purchase")).as_json()))
    assert report["counts"]["stops"] == 1 and set(report["meaning"]) == set(report["counts"])
    assert report["findings"][0] == {
        "outcome": "stops", "element": "s4", "what": "The condition cannot be translated: it is in words.",
        "original": "the price is small",
    }  # fmt: skip
