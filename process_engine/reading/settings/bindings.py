"""Reads what an activity refers to outside its definition: the process it calls, the decision it asks."""

import re
from typing import Literal, TypedDict

from process_engine.reading.settings.extensions import Extensions
from process_engine.reading.settings.mappings import check_expression
from process_engine.reading.xml_source import Element, local_name
from process_engine.values import expressions

Binding = Literal["latest", "deployment"]
"""latest: the newest version when a token comes; deployment: the version that was newest when this was deployed."""

_NAME = re.compile(r"[^\W\d]\w*")


class Call(TypedDict):
    """What a call activity calls. `process` is an id, or CEL that gives one when it starts with `=`.

    `version` is filled in at deployment where `binding` is "deployment". `all_in`: the called process gets a copy of
    every variable; `all_out`: all variables it has at its end are set, where there are no output mappings.
    """

    process: str
    binding: Binding
    version: int | None
    all_in: bool
    all_out: bool


class Question(TypedDict):
    """Which decision a business rule task asks, as in `Call`, and the variable that gets the answer."""

    decision: str
    binding: Binding
    version: int | None
    result: str


class Script(TypedDict):
    """The expression of a script task (CEL) and the variable that gets its value."""

    expression: str
    result: str


def read_call(activity: Extensions) -> Call:
    """Read `zeebe:calledElement`, or BPMN's own attribute calledElement where that is absent."""
    part = activity.parts.get("calledElement")
    process = activity.attribute("calledElement", "processId")
    if part is None:
        process = activity.element.get("calledElement", "").rpartition(":")[2] or None
    if process is None:
        activity.complain('calls nothing: add zeebe:calledElement processId="..." with the id of a process', at=part)
    return Call(
        process=_id_or_expression(activity, process, part),
        binding=_binding(activity, part),
        version=None,
        all_in=_flag(part, "propagateAllParentVariables"),
        all_out=_flag(part, "propagateAllChildVariables"),
    )


def read_question(activity: Extensions) -> Question:
    """Read `zeebe:calledDecision`."""
    part = activity.parts.get("calledDecision")
    decision = activity.attribute("calledDecision", "decisionId")
    if decision is None:
        activity.complain(
            'asks no decision: add zeebe:calledDecision decisionId="..." resultVariable="...", or zeebe:taskDefinition '
            'type="..." for an orchestrator',
            at=part,
        )
    return Question(
        decision=_id_or_expression(activity, decision, part),
        binding=_binding(activity, part),
        version=None,
        result=_result_variable(activity, "calledDecision"),
    )


def read_script(activity: Extensions) -> Script:
    """Read `zeebe:script`; a script in another language is refused."""
    part = activity.parts.get("script")
    expression = activity.attribute("script", "expression") or ""
    for child in activity.element:
        if local_name(child) == "script":
            language = activity.element.get("scriptFormat") or "no named language"
            activity.complain(f"has a script in {language}, which is not run; write it in CEL: {_SCRIPT}", at=child)
            return Script(expression="", result="")
    if not expression:
        activity.complain(
            f'has nothing to run: add {_SCRIPT}, or zeebe:taskDefinition type="..." for an orchestrator', at=part
        )
        return Script(expression="", result="")
    check_expression(activity, expression, part)
    return Script(expression=expression, result=_result_variable(activity, "script"))


_SCRIPT = 'zeebe:script expression="=..." resultVariable="..."'


def _id_or_expression(activity: Extensions, text: str | None, at: Element | None) -> str:
    if text is not None and expressions.is_expression(text):
        check_expression(activity, text, at)
    return text or ""


def _binding(activity: Extensions, part: Element | None) -> Binding:
    value = "latest" if part is None else part.get("bindingType", "latest")
    if value == "latest" or value == "deployment":  # noqa: PLR1714  # a set would lose the literal types
        return value
    activity.complain(f"has the bindingType {value!r}; it is latest or deployment", at=part)
    return "latest"


def _result_variable(activity: Extensions, part: str) -> str:
    name = activity.attribute(part, "resultVariable") or ""
    if part in activity.parts and not _NAME.fullmatch(name):
        activity.complain(f"has the resultVariable {name!r}; it is the name of a variable", at=activity.parts[part])
    return name


def _flag(part: Element | None, name: str) -> bool:
    return part is None or part.get(name, "true") == "true"
