"""What a definition says about one activity beyond where its tokens go: how often it runs, its data, what it computes.

Service and user tasks have `work_settings` besides.
"""

from typing import NotRequired, TypedDict

from process_engine.reading.settings.bindings import Call, Question, Script, read_call, read_question, read_script
from process_engine.reading.settings.extensions import Extensions, read_extensions
from process_engine.reading.settings.loops import Loop, read_loop
from process_engine.reading.settings.mappings import check_expression, read_mappings
from process_engine.reading.vocabulary import ACTIVITIES, AD_HOC, BPMN, CALL, MAY_BE_WORK, SUBPROCESS, WORK, ZEEBE
from process_engine.reading.xml_source import Element, Problems, local_name
from process_engine.values.variables import Mapping

ALLOWED_IN_ACTIVITY: dict[str, frozenset[str]] = {
    SUBPROCESS: frozenset({"ioMapping"}),
    AD_HOC: frozenset({"ioMapping", "adHoc"}),
    CALL: frozenset({"ioMapping", "calledElement"}),
    "scriptTask": frozenset({"ioMapping", "script"}),
    "businessRuleTask": frozenset({"ioMapping", "calledDecision"}),
}
"""Local names of the `zeebe:` elements that have a meaning in an activity that is no task in the queue, by kind."""


class AdHoc(TypedDict):
    """How an ad-hoc sub-process runs.

    `active` gives the list of the ids it begins with (None: all that no flow leads to), `until` ends it when true; both
    are CEL. `cancel_rest`: what still runs then is withdrawn. `sequential`: one after the other.
    """

    active: str | None
    until: str | None
    cancel_rest: bool
    sequential: bool


class Activity(TypedDict):
    """The settings of one activity, in plain JSON.

    `inputs` and `outputs` are those of an activity that is no task in the queue (see `WorkSettings` for those).
    """

    loop: NotRequired[Loop]
    call: NotRequired[Call]
    question: NotRequired[Question]
    script: NotRequired[Script]
    ad_hoc: NotRequired[AdHoc]
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
    elif kind == AD_HOC:
        activity["ad_hoc"] = _read_ad_hoc(extensions)
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


def _read_ad_hoc(activity: Extensions) -> AdHoc:
    condition = activity.element.find(f"{{{BPMN}}}completionCondition")
    until = None if condition is None else "".join(condition.itertext()).strip() or None
    active = activity.attribute("adHoc", "activeElementsCollection")
    for text, at in ((until, condition), (active, activity.parts.get("adHoc"))):
        if text is not None:
            check_expression(activity, text, at)
    return AdHoc(
        active=active,
        until=until,
        cancel_rest=activity.element.get("cancelRemainingInstances", "true") in ("true", "1"),
        sequential=activity.element.get("ordering", "Parallel") == "Sequential",
    )
