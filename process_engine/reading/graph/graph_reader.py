"""Reads the graph of a process out of its XML, and refuses by name every element that this version cannot run."""

from process_engine.reading.graph.event_reader import is_interrupting, place_of, read_event
from process_engine.reading.graph.graph import Flow, Node, Scope
from process_engine.reading.graph.hidden_links import connect_compensation, connect_links
from process_engine.reading.remembered import NOT_SUPPORTED, Reading
from process_engine.reading.settings.loops import LOOP_MARKERS
from process_engine.reading.vocabulary import (
    ACTIVITIES,
    AD_HOC,
    BPMN,
    EVENTS,
    EXECUTED_IN_EVENT,
    MESSAGE_TASKS,
    NOT_EXECUTED_IN_FLOW,
    NOT_EXECUTED_IN_NODE,
    NOT_EXECUTED_IN_SCOPE,
    SUBPROCESS,
    SUPPORTED,
)
from process_engine.reading.xml_source import Element, Problems, bpmn_children, local_name, namespace
from process_engine.values import expressions
from process_engine.values.errors import ExpressionError

_ATTRIBUTES_THAT_CHANGE_EXECUTION = {
    "startQuantity": "1",
    "completionQuantity": "1",
    "parallelMultiple": "false",
    "eventGatewayType": "Exclusive",
    "instantiate": "false",
}
"""Attribute -> the only value this engine runs, which is also the standard's default."""


_ROLES = frozenset({"resourceRole", "performer"})


def read_graph(process: Element, problems: Problems) -> tuple[Scope, Reading]:
    """Turn a `process` element into its graph.

    Elements that cannot be run are reported to `problems` and left out of the graph.
    """
    reading = Reading(problems)
    _has_own_id(process, reading)
    return _read_scope(process, reading), reading


def _read_scope(element: Element, reading: Reading) -> Scope:
    scope = Scope(id=element.get("id", ""), nodes=[], flows=[])
    for child in element:
        _read_child(child, scope, reading)
    connect_links(scope, reading)
    connect_compensation(scope, element, reading)
    return scope


def _read_child(child: Element, scope: Scope, reading: Reading) -> None:
    kind = local_name(child)
    if namespace(child) != BPMN:
        reading.problems.add(child, f"is not BPMN but {namespace(child)}; it belongs into extensionElements")
    elif kind in NOT_EXECUTED_IN_SCOPE or kind in LOOP_MARKERS or _is_condition_of_ad_hoc(child):
        return
    elif kind != "sequenceFlow" and kind not in SUPPORTED:
        reading.problems.add(child, NOT_SUPPORTED)
        _remember_refused(child, reading)
    elif not _has_own_id(child, reading):
        return
    elif kind == "sequenceFlow":
        scope["flows"].append(_read_flow(child, reading))
    elif _runs_as_it_is(child, reading.problems):
        scope["nodes"].append(_read_node(child, reading))
    else:
        _remember_refused(child, reading)


def _is_condition_of_ad_hoc(child: Element) -> bool:
    parent = child.getparent()
    return local_name(child) == "completionCondition" and parent is not None and local_name(parent) == AD_HOC


def _remember_refused(element: Element, reading: Reading) -> None:
    element_id = element.get("id")
    if element_id:
        reading.elements[element_id] = element
        reading.refused.add(element_id)
    if local_name(element) == "startEvent":
        reading.start_refused_in.add(_parent_id(element))


def _parent_id(element: Element) -> str | None:
    parent = element.getparent()
    return None if parent is None else parent.get("id")


def _has_own_id(element: Element, reading: Reading) -> bool:
    element_id = element.get("id")
    if not element_id:
        reading.problems.add(element, "needs an id")
        return False
    if element_id in reading.elements:
        reading.problems.add(element, f"has an id that line {reading.elements[element_id].sourceline} uses already")
        return False
    reading.elements[element_id] = element
    return True


def _runs_as_it_is(element: Element, problems: Problems) -> bool:
    """Whether nothing inside the element changes what its kind means: an event definition, a loop marker, ..."""
    runs = True
    for name, only in _ATTRIBUTES_THAT_CHANGE_EXECUTION.items():
        if element.get(name, only) != only:
            problems.add(element, f'with {name}="{element.get(name)}" {NOT_SUPPORTED}')
            runs = False
    if local_name(element) in (SUBPROCESS, AD_HOC):
        unknown = [child for child in bpmn_children(element) if local_name(child) in _ROLES]
    else:
        unknown = [child for child in bpmn_children(element) if local_name(child) not in _known_in(element)]
    for child in unknown:
        problems.add(element, f"with {local_name(child)} {NOT_SUPPORTED}", at=child)
        runs = False
    return runs


def _known_in(element: Element) -> frozenset[str]:
    kind = local_name(element)
    if kind in EVENTS:
        return NOT_EXECUTED_IN_NODE | EXECUTED_IN_EVENT
    known = NOT_EXECUTED_IN_NODE | (LOOP_MARKERS if kind in ACTIVITIES else frozenset())
    return known | {"script"} if kind == "scriptTask" else known


def _read_node(element: Element, reading: Reading) -> Node:
    node = Node(id=element.get("id", ""), kind=local_name(element))
    default = element.get("default")
    if default is not None:
        node["default"] = default
    if node["kind"] in (SUBPROCESS, AD_HOC):
        node["inside"] = _read_scope(element, reading)
    if element.get("triggeredByEvent") in ("true", "1"):
        node["by_event"] = True
    if element.get("isForCompensation") in ("true", "1"):
        node["for_compensation"] = True
    if node["kind"] in EVENTS | MESSAGE_TASKS:
        _read_event_of(node, element, reading)
    return node


def _read_event_of(node: Node, element: Element, reading: Reading) -> None:
    event = read_event(element, reading.problems)
    if event is not None:
        node["event"] = event
    if node["kind"] == "boundaryEvent":
        node["attached_to"] = element.get("attachedToRef", "")
    if node["kind"] == "boundaryEvent" or place_of(element).endswith("event sub-process"):
        node["interrupting"] = is_interrupting(element)


def _read_flow(element: Element, reading: Reading) -> Flow:
    for child in bpmn_children(element):
        if local_name(child) not in NOT_EXECUTED_IN_FLOW:
            reading.problems.add(element, f"with {local_name(child)} {NOT_SUPPORTED}", at=child)
    return Flow(
        id=element.get("id", ""),
        source=element.get("sourceRef", ""),
        target=element.get("targetRef", ""),
        condition=_read_condition(element, reading.problems),
    )


def _read_condition(flow: Element, problems: Problems) -> str | None:
    expression = flow.find(f"{{{BPMN}}}conditionExpression")
    if expression is None:
        return None
    text, language = "".join(expression.itertext()), expression.get("language", "cel")
    try:
        if language.lower() != "cel":
            raise ExpressionError(f"it is in the language {language!r}; conditions are CEL")
        expressions.check(text)
    except ExpressionError as error:
        problems.add(flow, f"has a condition that cannot be run: {error}", at=expression)
    return text.strip().removeprefix("=").strip()
