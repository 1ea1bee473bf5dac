"""Reads how often an activity runs: multi-instance (BPMN 2.0.2, 10.3.8) and the standard loop (10.3.7).

The collection and the elements of a multi-instance are in `zeebe:loopCharacteristics`, as the Camunda Modeler writes
them; a plain number of instances is in `bpmn:loopCardinality`.
"""

import re
from typing import TypedDict

from process_engine.reading.settings.extensions import read_extensions
from process_engine.reading.vocabulary import BPMN
from process_engine.reading.xml_source import Element, Problems, bpmn_children, local_name
from process_engine.values import expressions
from process_engine.values.errors import ExpressionError

MULTI_INSTANCE, STANDARD_LOOP = "multiInstanceLoopCharacteristics", "standardLoopCharacteristics"
LOOP_MARKERS = frozenset({MULTI_INSTANCE, STANDARD_LOOP})

MOST_INSTANCES = 1_000
"""Instances of one multi-instance activity; the state of the process instance holds a token for each."""

_NAME = re.compile(r"[^\W\d]\w*")
_IN_MULTI_INSTANCE = frozenset({"documentation", "extensionElements", "loopCardinality", "completionCondition"})
_DATA = frozenset({"loopDataInputRef", "loopDataOutputRef", "inputDataItem", "outputDataItem"})
_IN_STANDARD_LOOP = frozenset({"documentation", "extensionElements", "loopCondition"})


class Loop(TypedDict):
    """How an activity repeats. All expressions are CEL.

    A multi-instance has `collection` (an expression) or `cardinality` (an expression, or digits): one instance for each
    element, or so many. `element` is the variable that holds the element; `output_element` is what each instance adds
    to the list `output_collection` (a variable). After each instance `until` is evaluated; true ends the rest.

    A standard loop has neither: it repeats while `again` is true, at most `maximum` times; `test_before`: also the
    first time.
    """

    sequential: bool
    collection: str | None
    cardinality: str | None
    element: str | None
    output_collection: str | None
    output_element: str | None
    until: str | None
    again: str | None
    maximum: int | None
    test_before: bool


def read_loop(element: Element, problems: Problems) -> Loop | None:
    """The loop marker of an activity, or None; what is wrong with it is reported to `problems`."""
    markers = [child for child in bpmn_children(element) if local_name(child) in LOOP_MARKERS]
    if not markers:
        return None
    for more in markers[1:]:
        problems.add(element, "has two loop markers; keep one", at=more)
    if local_name(markers[0]) == STANDARD_LOOP:
        return _read_standard_loop(element, markers[0], problems)
    return _read_multi_instance(element, markers[0], problems)


def _read_multi_instance(element: Element, marker: Element, problems: Problems) -> Loop:
    _check_content(element, marker, _IN_MULTI_INSTANCE | _DATA, problems)
    if marker.get("behavior", "All") != "All":
        problems.add(element, f'is multi-instance with behavior="{marker.get("behavior")}"; only All runs', at=marker)
    zeebe = read_extensions(marker, frozenset({"loopCharacteristics"}), problems)
    loop = Loop(
        sequential=marker.get("isSequential") in ("true", "1"),
        collection=zeebe.attribute("loopCharacteristics", "inputCollection"),
        cardinality=_text_of(marker, "loopCardinality"),
        element=zeebe.attribute("loopCharacteristics", "inputElement"),
        output_collection=zeebe.attribute("loopCharacteristics", "outputCollection"),
        output_element=zeebe.attribute("loopCharacteristics", "outputElement"),
        until=_text_of(marker, "completionCondition"),
        again=None,
        maximum=None,
        test_before=False,
    )
    if (loop["collection"] is None) == (loop["cardinality"] is None):
        problems.add(
            element,
            "is multi-instance and must say how many times, once: add zeebe:loopCharacteristics inputCollection="
            '"=list", or bpmn:loopCardinality',
            at=marker,
        )
    if loop["element"] and not loop["collection"]:
        problems.add(element, "has an inputElement without an inputCollection", at=marker)
    if (loop["output_collection"] is None) != (loop["output_element"] is None):
        problems.add(element, "needs outputCollection and outputElement together", at=marker)
    _check_names(element, loop, marker, problems)
    for expression in ("collection", "cardinality", "output_element", "until"):
        _check(element, loop[expression], marker, problems)
    return loop


def _read_standard_loop(element: Element, marker: Element, problems: Problems) -> Loop:
    _check_content(element, marker, _IN_STANDARD_LOOP, problems)
    again, maximum = _text_of(marker, "loopCondition"), marker.get("loopMaximum")
    if again is None and maximum is None:
        problems.add(element, "is a loop without an end: add bpmn:loopCondition or loopMaximum", at=marker)
    if maximum is not None and not re.fullmatch(r"[1-9][0-9]{0,5}", maximum):
        problems.add(element, f'has loopMaximum="{maximum}"; it is a whole number from 1 to 999999', at=marker)
        maximum = None
    _check(element, again, marker, problems)
    return Loop(
        sequential=True,
        collection=None,
        cardinality=None,
        element=None,
        output_collection=None,
        output_element=None,
        until=None,
        again=again,
        maximum=None if maximum is None else int(maximum),
        test_before=marker.get("testBefore") in ("true", "1"),
    )


def _check_content(element: Element, marker: Element, known: frozenset[str], problems: Problems) -> None:
    for child in bpmn_children(marker):
        name = local_name(child)
        if name in _DATA & known:
            remedy = "write the collection into zeebe:loopCharacteristics (inputCollection, inputElement, ...)"
            problems.add(element, f"with {name} in its loop is not supported; {remedy}", at=child)
        elif name not in known:
            problems.add(element, f"with {name} in its loop is not supported; remove it", at=child)


def _check_names(element: Element, loop: Loop, marker: Element, problems: Problems) -> None:
    for what, name in (("inputElement", loop["element"]), ("outputCollection", loop["output_collection"])):
        if name is not None and not _NAME.fullmatch(name):
            problems.add(element, f"has the {what} {name!r}; it is the name of a variable", at=marker)


def _check(element: Element, text: str | None, marker: Element, problems: Problems) -> None:
    try:
        if text is not None:
            expressions.check(text)
    except ExpressionError as error:
        problems.add(element, f"has a loop that cannot be run: {error}", at=marker)


def _text_of(marker: Element, name: str) -> str | None:
    child = marker.find(f"{{{BPMN}}}{name}")
    return None if child is None else "".join(child.itertext()).strip() or None
