"""Writes a plan as a BPMN 2.0 file, as the Camunda Modeler would: model first, then the drawing."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # lxml comes without type information

from importing.process_gpt.each import Each
from importing.process_gpt.identifiers import Identifiers
from importing.process_gpt.layout import Drawing
from importing.process_gpt.model import Json
from importing.process_gpt.plan import Element, Line, Plan
from importing.process_gpt.tasks import TaskSettings
from process_engine.reading.vocabulary import BPMN, ZEEBE

_DI = "http://www.omg.org/spec/BPMN/20100524/DI"
_DC = "http://www.omg.org/spec/DD/20100524/DC"
_LINES = "http://www.omg.org/spec/DD/20100524/DI"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_MODELER = "http://camunda.org/schema/modeler/1.0"
_PREFIXES = {"bpmn": BPMN, "bpmndi": _DI, "dc": _DC, "di": _LINES, "xsi": _XSI, "zeebe": ZEEBE, "modeler": _MODELER}

_Xml = Any
"""An lxml element."""


@dataclass(frozen=True)
class Head:
    """What a process says of itself: its name, its documentation, and its forms by id as JSON Schemas."""

    name: str
    note: str
    forms: dict[str, Json]
    version_tag: str = ""


def write(plan: Plan, head: Head, drawing: Drawing, ids: Identifiers) -> bytes:
    """The BPMN file of a plan. `ids` are those taken so far: the drawing has ids of its own."""
    root = etree.Element(f"{{{BPMN}}}definitions", nsmap=_PREFIXES)
    root.set("id", ids.take(f"{plan.id}_definitions"))
    root.set("targetNamespace", "http://bpmn.io/schema/bpmn")
    root.set(f"{{{_MODELER}}}executionPlatform", "Camunda Cloud")
    root.set(f"{{{_MODELER}}}executionPlatformVersion", "8.6.0")
    process = _child(root, "process", id=plan.id, name=_xml_text(head.name), isExecutable="true")
    _document(process, head.note)
    _write_head(process, head)
    _write_scope(process, plan)
    _write_drawing(root, plan, drawing, ids)
    etree.indent(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _write_head(process: _Xml, head: Head) -> None:
    if not head.forms and not head.version_tag:
        return
    extensions = _child(process, "extensionElements")
    if head.version_tag:
        _zeebe(extensions, "versionTag", value=head.version_tag)
    for form_id, schema in head.forms.items():
        _zeebe(extensions, "userTaskForm", id=form_id).text = json.dumps(schema, ensure_ascii=False, indent=2)


def _write_scope(parent: _Xml, plan: Plan) -> None:
    ends: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in plan.lines:
        ends[line.target].append(("incoming", line.id))
    for line in plan.lines:
        ends[line.source].append(("outgoing", line.id))
    for element in plan.elements:
        _write_element(parent, element, ends[element.id])
    for line in plan.lines:
        _write_line(parent, line)


def _write_element(parent: _Xml, element: Element, ends: list[tuple[str, str]]) -> None:
    node = _child(parent, element.kind, id=element.id, name=element.name, default=element.default)
    _document(node, element.note)
    if element.settings is not None:
        _write_settings(node, element.settings)
    for direction, flow in ends:
        _child(node, direction).text = flow
    if element.each is not None:
        _write_each(node, element.each)
    if element.inside is not None:
        _write_scope(node, element.inside)


def _write_each(node: _Xml, each: Each) -> None:
    marker = _child(node, "multiInstanceLoopCharacteristics")
    extensions = _child(marker, "extensionElements") if each.collection or each.results else None
    if extensions is not None:
        _zeebe(
            extensions, "loopCharacteristics", inputCollection=each.collection, inputElement=each.item,
            outputCollection=each.results, outputElement=each.result,
        )  # fmt: skip
    if each.times:
        _child(marker, "loopCardinality").text = each.times


def _write_settings(node: _Xml, settings: TaskSettings) -> None:
    extensions = etree.Element(f"{{{BPMN}}}extensionElements")
    if settings.task_type:
        _zeebe(extensions, "taskDefinition", type=settings.task_type)
    if settings.calls:
        _zeebe(extensions, "calledElement", processId=settings.calls)
    if settings.form:
        _zeebe(extensions, "formDefinition", formKey=f"camunda-forms:bpmn:{settings.form}")
    assignment = settings.assignment
    if assignment.assignee or assignment.groups:
        _zeebe(extensions, "assignmentDefinition", assignee=assignment.assignee, candidateGroups=assignment.groups)
    if settings.headers:
        headers = _zeebe(extensions, "taskHeaders")
        for key, value in settings.headers.items():
            _zeebe(headers, "header", key=key, value=value)
    if settings.inputs:
        mapping = _zeebe(extensions, "ioMapping")
        for target, source in settings.inputs.items():
            _zeebe(mapping, "input", source=source, target=target)
    if len(extensions):
        node.append(extensions)


def _write_line(parent: _Xml, line: Line) -> None:
    flow = _child(parent, "sequenceFlow", id=line.id, name=line.name, sourceRef=line.source, targetRef=line.target)
    _document(flow, line.note)
    if line.condition:
        condition = _child(flow, "conditionExpression")
        condition.set(f"{{{_XSI}}}type", "bpmn:tFormalExpression")
        condition.text = _xml_text(line.condition)


def _write_drawing(root: _Xml, plan: Plan, drawing: Drawing, ids: Identifiers) -> None:
    diagram = _drawn(root, "BPMNDiagram", ids.take(f"{plan.id}_diagram"))
    plane = _drawn(diagram, "BPMNPlane", ids.take(f"{plan.id}_plane"), plan.id)
    for element in _all_elements(plan):
        shape = _drawn(plane, "BPMNShape", ids.take(f"{element.id}_di"), element.id)
        if element.kind == "exclusiveGateway":
            shape.set("isMarkerVisible", "true")
        if element.inside is not None:
            shape.set("isExpanded", "true")
        box = drawing.boxes[element.id]
        etree.SubElement(shape, f"{{{_DC}}}Bounds", x=str(box.x), y=str(box.y), width=str(box.width),
                         height=str(box.height))  # fmt: skip
    for line in _all_lines(plan):
        edge = _drawn(plane, "BPMNEdge", ids.take(f"{line.id}_di"), line.id)
        for x, y in drawing.edges[line.id]:
            etree.SubElement(edge, f"{{{_LINES}}}waypoint", x=str(x), y=str(y))


def _all_elements(plan: Plan) -> Iterator[Element]:
    for element in plan.elements:
        yield element
        if element.inside is not None:
            yield from _all_elements(element.inside)


def _all_lines(plan: Plan) -> Iterator[Line]:
    yield from plan.lines
    for element in plan.elements:
        if element.inside is not None:
            yield from _all_lines(element.inside)


def _document(node: _Xml, note: str) -> None:
    if note:
        _child(node, "documentation").text = _xml_text(note)


def _child(parent: _Xml, tag: str, /, **attributes: str) -> _Xml:
    return _sub_element(parent, f"{{{BPMN}}}{tag}", attributes)


def _zeebe(parent: _Xml, tag: str, /, **attributes: str) -> _Xml:
    return _sub_element(parent, f"{{{ZEEBE}}}{tag}", attributes)


def _drawn(parent: _Xml, name: str, element_id: str, draws: str = "") -> _Xml:
    return _sub_element(parent, f"{{{_DI}}}{name}", {"id": element_id, "bpmnElement": draws})


def _sub_element(parent: _Xml, tag: str, attributes: dict[str, str]) -> _Xml:
    """A child without the attributes that are empty."""
    return etree.SubElement(parent, tag, {key: _xml_text(value) for key, value in attributes.items() if value})


def _xml_text(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold (section 2.2)."""
    return "".join(
        char
        for char in text
        if char in "\t\n\r" or "\x20" <= char <= "\ud7ff" or "\ue000" <= char <= "\ufffd" or char > "\uffff"
    )
