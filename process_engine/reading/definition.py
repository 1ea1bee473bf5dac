"""Reads a BPMN 2.0 file into a definition that can be stored and run, or says everything that is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from process_engine.reading.bounds import check_bounds
from process_engine.reading.graph.graph import Node, Scope
from process_engine.reading.graph.graph_checks import check_graph
from process_engine.reading.graph.graph_reader import read_graph
from process_engine.reading.openings import Opening, opening
from process_engine.reading.remembered import Reading
from process_engine.reading.settings.activities import Activity, is_work, read_activity, read_repetition
from process_engine.reading.settings.bindings import Binding
from process_engine.reading.settings.extensions import read_extensions
from process_engine.reading.settings.forms import Forms, read_forms
from process_engine.reading.settings.work_settings import (
    RetryDefaults,
    WorkSettings,
    read_retry_defaults,
    read_work_settings,
)
from process_engine.reading.vocabulary import EVENTS
from process_engine.reading.xml_source import Element, Problems, executable_process, read_definitions
from process_engine.values.errors import DefinitionInvalid, StepFailed
from process_engine.values.expressions import is_expression
from process_engine.values.library import Kind
from process_engine.values.plain_json import Json


class Spec(TypedDict):
    """A definition as it is stored, in plain JSON.

    `graph` says where tokens go, `work` what each task in the queue is, `activities` what else is set for an activity;
    both by id; `starts` are the events that start an instance. Definitions that were stored before an activity could
    have settings have no `activities`; those that were stored before events could start one have no `starts`.
    """

    graph: Scope
    work: dict[str, WorkSettings]
    activities: NotRequired[dict[str, Activity]]
    starts: NotRequired[list[Opening]]


@dataclass(frozen=True)
class Reference:
    """A process or decision that an activity names by literal text. `element` is the activity, for messages."""

    kind: Kind
    name: str
    element: Element
    binding: Binding


@dataclass(frozen=True)
class Definition:
    """A process definition that can be run.

    Attributes:
        id: the BPMN process id.
        name: what people call it; the id when the file gives no name.
        spec: plain JSON with everything `steps.start` and `steps.complete` need; a `Spec`.
        orchestrators: the orchestrators its tasks name.
        agents: the agents its tasks name.
        references: the processes and decisions it refers to by literal text.
    """

    id: str
    name: str
    spec: dict[str, Json]
    orchestrators: set[str]
    agents: set[str]
    references: list[Reference]


def parse(xml: bytes, process_id: str | None = None) -> Definition:
    """Read one process of a BPMN 2.0 file: the one with this id, or the one that is executable.

    Raises:
        DefinitionInvalid: with every problem found, each with the element and its line.
    """
    problems = Problems()
    root = read_definitions(xml)
    process = executable_process(root, problems, process_id)
    check_bounds(process, problems)
    graph, reading = read_graph(process, problems)
    check_graph(graph, process, reading)
    retries = read_retry_defaults(read_extensions(process, frozenset({"userTaskForm"}), problems))
    work, activities = _read_settings(graph, reading, read_forms(process, problems), retries)
    starts = [] if problems.found else _read_starts(graph, reading)
    if problems.found:
        raise DefinitionInvalid(problems.found)
    return Definition(
        id=graph["id"],
        name=process.get("name") or graph["id"],
        spec={"graph": graph, "work": work, "activities": activities, "starts": starts},
        orchestrators={settings["orchestrator"] for settings in work.values() if settings["orchestrator"]},
        agents={settings["agent"] for settings in work.values() if settings["agent"]},
        references=list(_references(activities, reading)),
    )


def _references(activities: dict[str, Activity], reading: Reading) -> Iterator[Reference]:
    for activity_id, settings in activities.items():
        element = reading.elements[activity_id]
        if "call" in settings and not is_expression(settings["call"]["process"]):
            yield Reference("process", settings["call"]["process"], element, settings["call"]["binding"])
        if "question" in settings and not is_expression(settings["question"]["decision"]):
            yield Reference("decision", settings["question"]["decision"], element, settings["question"]["binding"])


def _read_settings(
    graph: Scope, reading: Reading, forms: Forms, retries: RetryDefaults
) -> tuple[dict[str, WorkSettings], dict[str, Activity]]:
    work: dict[str, WorkSettings] = {}
    activities: dict[str, Activity] = {}
    for node in _all_nodes(graph):
        element = reading.elements[node["id"]]
        if node["kind"] in EVENTS | {"receiveTask"} or "event" in node:
            settings = read_repetition(element, reading.problems)
        elif is_work(element):
            work[node["id"]] = read_work_settings(element, forms, retries, reading.problems)
            settings = read_repetition(element, reading.problems)
        else:
            settings = read_activity(element, reading.problems)
        if settings:
            activities[node["id"]] = settings
    return work, activities


def _read_starts(graph: Scope, reading: Reading) -> list[Opening]:
    starts: list[Opening] = []
    for node in graph["nodes"]:
        if node["kind"] == "startEvent" and "event" in node:
            try:
                starts.append(opening(node["id"], node["event"], {}, once=False))
            except StepFailed as failure:
                reading.problems.add(reading.elements[node["id"]], f"cannot start anything: {failure.message}")
    return starts


def _all_nodes(scope: Scope) -> Iterator[Node]:
    for node in scope["nodes"]:
        yield node
        if "inside" in node:
            yield from _all_nodes(node["inside"])
