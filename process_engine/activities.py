"""What a definition says about one activity beyond where its tokens go: how often it runs, its data, what it computes.

Service and user tasks have `work_settings` besides.
"""

from typing import NotRequired, TypedDict

from process_engine.bindings import Call, Question, Script, read_call, read_question, read_script
from process_engine.extensions import read_extensions
from process_engine.loops import Loop, read_loop
from process_engine.mappings import Mapping, read_mappings
from process_engine.vocabulary import ACTIVITIES, BPMN, CALL, MAY_BE_WORK, SUBPROCESS, WORK, ZEEBE
from process_engine.xml_source import Element, Problems, local_name

ALLOWED_IN_ACTIVITY: dict[str, frozenset[str]] = {
    SUBPROCESS: frozenset({"ioMapping"}),
    CALL: frozenset({"ioMapping", "calledElement"}),
    "scriptTask": frozenset({"ioMapping", "script"}),
    "businessRuleTask": frozenset({"ioMapping", "calledDecision"}),
}
"""Local names of the `zeebe:` elements that have a meaning in an activity that is no task in the queue, by kind."""


class Activity(TypedDict):
    """The settings of one activity, in plain JSON.

    `inputs` and `outputs` are those of an activity that is no task in the queue (see `WorkSettings` for those).
    """

    loop: NotRequired[Loop]
    call: NotRequired[Call]
    question: NotRequired[Question]
    script: NotRequired[Script]
    inputs: NotRequired[list[Mapping]]
    outputs: NotRequired[list[Mapping]]


def read_activity(element: Element, problems: Problems) -> Activity:
    """Read the settings of an activity element that is no task in the queue; `problems` gets what is wrong."""
    kind = local_name(element)
    activity = read_repetition(element, problems)
    extensions = read_extensions(element, ALLOWED_IN_ACTIVITY.get(kind, frozenset()), problems)
    if kind in ALLOWED_IN_ACTIVITY:
        activity["inputs"] = read_mappings(extensions, "input")
        activity["outputs"] = read_mappings(extensions, "output")
    if kind == CALL:
        activity["call"] = read_call(extensions)
    elif kind == "scriptTask":
        activity["script"] = read_script(extensions)
    elif kind == "businessRuleTask":
        activity["question"] = read_question(extensions)
    return activity


def is_work(element: Element) -> bool:
    """Whether an element becomes a task in the queue: by its kind, or because it names an orchestrator."""
    names_one = element.find(f"{{{BPMN}}}extensionElements/{{{ZEEBE}}}taskDefinition") is not None
    return local_name(element) in WORK or (local_name(element) in MAY_BE_WORK and names_one)


def read_repetition(element: Element, problems: Problems) -> Activity:
    """The settings that every activity may have: its loop."""
    loop = read_loop(element, problems) if local_name(element) in ACTIVITIES else None
    return Activity(loop=loop) if loop else Activity()
