"""Every element this version cannot run is refused by name, with its id and line."""

import pytest
from bpmn_writing import process, scope

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, Problem

NOT_YET = "is not supported yet by this version"


def problems_of(content: str) -> list[Problem]:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(process(content))
    return caught.value.problems


def around(element: str) -> str:
    """A process in which `element`, with the id "x", stands in line 5 between two user tasks."""
    flows = [("s", "a"), ("a", "x"), ("x", "b"), ("b", "e")]
    lines = ['<bpmn:startEvent id="s"/>', '<bpmn:userTask id="a"/>', element, '<bpmn:userTask id="b"/>']
    lines += ['<bpmn:endEvent id="e"/>']
    lines += [f'<bpmn:sequenceFlow id="{a}_{b}" sourceRef="{a}" targetRef="{b}"/>' for a, b in flows]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "kind",
    [
        "transaction", "complexGateway",
        "subChoreography", "callChoreography", "implicitThrowEvent",
    ],
)  # fmt: skip
def test_an_element_is_refused_by_name_and_nothing_else_is_blamed(kind: str) -> None:
    assert problems_of(around(f'<bpmn:{kind} id="x"/>')) == [Problem("x", 5, f"{kind} 'x' (line 5) {NOT_YET}")]


@pytest.mark.parametrize("definition", ["conditionalEventDefinition", "cancelEventDefinition", "eventDefinitionRef"])
@pytest.mark.parametrize("event", ["startEvent", "endEvent"])
def test_an_event_with_a_definition_that_does_not_run_is_refused(event: str, definition: str) -> None:
    nodes = {"startEvent": '<bpmn:startEvent id="s"/>', "endEvent": '<bpmn:endEvent id="e"/>'}
    nodes[event] = nodes[event].replace("/>", f">\n<bpmn:{definition} id='d'/>\n</bpmn:{event}>")
    flow = '<bpmn:sequenceFlow id="f" sourceRef="s" targetRef="e"/>'
    (problem,) = problems_of("\n".join([nodes["startEvent"], nodes["endEvent"], flow]))
    node_id = event[0]
    line = 3 if event == "startEvent" else 4
    assert problem == Problem(node_id, line + 1, f"{event} '{node_id}' (line {line}) with {definition} {NOT_YET}")


@pytest.mark.parametrize(
    "content",
    [
        "<bpmn:potentialOwner/>",
        "<bpmn:humanPerformer/>",
    ],
)
@pytest.mark.parametrize("kind", ["userTask", "subProcess", "manualTask"])
def test_roles_of_an_activity_are_refused(kind: str, content: str) -> None:
    found = problems_of(around(f'<bpmn:{kind} id="x">{content}{inside(kind)}</bpmn:{kind}>'))
    name = content.removeprefix("<bpmn:").removesuffix("/>")
    assert len(found) == 1
    assert found[0].line == 5
    assert name in found[0].message
    assert found[0].message.endswith(NOT_YET)


def inside(kind: str) -> str:
    return scope("startEvent in_s, endEvent in_e", "in_s -> in_e").replace("\n", "") if kind == "subProcess" else ""


@pytest.mark.parametrize("kind", ["userTask", "subProcess"])
@pytest.mark.parametrize("attribute", ['startQuantity="2"', 'completionQuantity="3"'])
def test_attributes_that_change_execution_are_refused(kind: str, attribute: str) -> None:
    found = problems_of(around(f'<bpmn:{kind} id="x" {attribute}>{inside(kind)}</bpmn:{kind}>'))
    assert found == [Problem("x", 5, f"{kind} 'x' (line 5) with {attribute} {NOT_YET}")]


def test_what_only_a_refused_element_leads_to_is_not_called_unreachable() -> None:
    content = scope("startEvent s, userTask a b, endEvent e", "s -> a -> e, odd -> b -> e")
    boundary = '<bpmn:boundaryEvent id="odd" attachedToRef="a"><bpmn:conditionalEventDefinition/></bpmn:boundaryEvent>'
    (problem,) = problems_of(f"{content}\n{boundary}")
    assert problem == Problem("odd", 11, f"boundaryEvent 'odd' (line 11) with conditionalEventDefinition {NOT_YET}")


def test_an_element_inside_nested_sub_processes_is_refused_too() -> None:
    deepest = scope("startEvent s3, complexGateway x, endEvent e3", "s3 -> x -> e3")
    middle = scope("startEvent s2, subProcess deep, endEvent e2", "s2 -> deep -> e2", {"deep": deepest})
    (problem,) = problems_of(scope("startEvent s, subProcess mid, endEvent e", "s -> mid -> e", {"mid": middle}))
    assert problem.element_id == "x"
    assert problem.message.endswith(NOT_YET)


def test_an_unknown_child_of_a_flow_is_refused() -> None:
    content = scope("startEvent s, endEvent e", "s -> e").replace("></bpmn:seq", "><bpmn:mystery/></bpmn:seq")
    assert problems_of(content) == [Problem("s_e", 5, f"sequenceFlow 's_e' (line 5) with mystery {NOT_YET}")]


def test_foreign_xml_belongs_into_extension_elements() -> None:
    (problem,) = problems_of(scope("startEvent s, endEvent e", "s -> e") + '\n<note xmlns="http://x" id="n"/>')
    assert (problem.element_id, problem.line) == ("n", 6)
    assert "is not BPMN but http://x; it belongs into extensionElements" in problem.message


def test_what_does_not_execute_is_ignored() -> None:
    decoration = """
    <bpmn:documentation>What it is for</bpmn:documentation>
    <bpmn:extensionElements><vendor:colour xmlns:vendor="http://vendor">red</vendor:colour></bpmn:extensionElements>
    <bpmn:laneSet id="lanes"><bpmn:lane id="lane"><bpmn:flowNodeRef>a</bpmn:flowNodeRef></bpmn:lane></bpmn:laneSet>
    <bpmn:dataObject id="do"/><bpmn:dataObjectReference id="dor" dataObjectRef="do"/>
    <bpmn:dataStoreReference id="dsr"/><bpmn:property id="pr"/>
    <bpmn:textAnnotation id="ta"><bpmn:text>note</bpmn:text></bpmn:textAnnotation>
    <bpmn:association id="as" sourceRef="a" targetRef="ta"/><bpmn:group id="g"/>
    """
    inside_task = """<bpmn:documentation/><bpmn:incoming>s_a</bpmn:incoming><bpmn:outgoing>a_e</bpmn:outgoing>
    <bpmn:dataInputAssociation id="di"><bpmn:sourceRef>dor</bpmn:sourceRef></bpmn:dataInputAssociation>"""
    content = scope("startEvent s, userTask a, endEvent e", "s -> a -> e", {"a": inside_task})
    diagram = '<bpmndi:BPMNDiagram xmlns:bpmndi="http://www.omg.org/spec/BPMN/20100524/DI" id="d"/>'
    xml = process(decoration + content).decode().replace("</bpmn:definitions>", f"{diagram}</bpmn:definitions>")
    definition = parse(xml.encode())
    assert [node["id"] for node in definition.spec["graph"]["nodes"]] == ["s", "a", "e"]
