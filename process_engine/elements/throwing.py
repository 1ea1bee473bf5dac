"""The nodes that throw events.

Messages and signals leave the process instance: a step lists them, and whoever stores the step hands them on. Errors
and escalations go outwards through the scopes of the instance until something catches them (BPMN 2.0.2, 10.5.4).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar, cast
from uuid import UUID

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.events import (
    Boundary,
    EventSubProcess,
    enter_event_subprocess,
    is_interrupted,
    live,
    pass_boundary,
)
from process_engine.elements.nodes import CelScriptEngine, Node, ScopeSpec
from process_engine.elements.waits import open_waits
from process_engine.elements.withdrawal import withdraw
from process_engine.reading.graph.graph import Event
from process_engine.reading.openings import correlation_key, event_name
from process_engine.values.errors import StepFailed
from process_engine.values.plain_json import Json
from process_engine.values.scoped import assign, container_of, top_of, visible
from process_engine.values.variables import Variables, output_changes, task_input

_Catcher = TypeVar("_Catcher", Boundary, EventSubProcess)


@dataclass(frozen=True)
class Thrown:
    """A message or signal that left the instance.

    `waits` are the waits (token, element) of the instance at that moment: a signal does not reach what begins to wait
    later.
    """

    kind: Literal["message", "signal"]
    element_id: str
    name: str
    correlation_key: str
    variables: Variables
    waits: frozenset[tuple[UUID | None, str]]


@dataclass(frozen=True)
class Raised:
    """An error or escalation on its way outwards. `code` is what catching events ask for; `details` is for mappings."""

    kind: Literal["error", "escalation"]
    code: str
    variables: Variables
    details: Json


class Throw(Node):
    """An intermediate throw event, end event or send task."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, event: Event) -> None:
        super().__init__(wf_spec, bpmn_id)
        self.event = event

    def payload(self, my_task: Task) -> Variables:
        """What goes with the event: the targets of the input mappings; nothing where there are none."""
        mappings = self.event["mappings"]
        return task_input(self.bpmn_id, mappings, visible(my_task)) if mappings else {}


class ThrowOutside(Throw):
    """Sends a message or a signal."""

    def happen(self, my_task: Task) -> bool:
        """The token goes on at once."""
        top, event = top_of(my_task), self.event
        seen = visible(my_task)
        cast(CelScriptEngine, top.script_engine).thrown.append(
            Thrown(
                kind="message" if event["kind"] == "message" else "signal",
                element_id=self.bpmn_id,
                name=event_name(self.bpmn_id, event, seen),
                correlation_key=correlation_key(self.bpmn_id, event, seen),
                variables=self.payload(my_task),
                waits=frozenset(wait.key for wait in open_waits(top)),
            )
        )
        return True


class ThrowInside(Throw):
    """Raises an error or an escalation."""

    def happen(self, my_task: Task) -> bool:
        """The token goes on unless it was interrupted by what it raised."""
        kind: Literal["error", "escalation"] = "error" if self.event["kind"] == "error" else "escalation"
        code = self.event.get("name", "")
        propagate(my_task, Raised(kind, code, self.payload(my_task), {"code": code, "message": ""}))
        return not my_task.has_state(TaskState.FINISHED_MASK)


class Terminate(Throw):
    """Ends its process or sub-process: all other tokens in it are withdrawn."""

    def happen(self, my_task: Task) -> bool:
        """The token goes on to the end, alone."""
        for task in live(cast(BpmnBaseWorkflow, my_task.workflow)):
            if task is not my_task:
                withdraw(task)
        return True


def propagate(thrower: Task, raised: Raised) -> None:
    """Let the nearest event that catches `raised` catch it; the thrower's own activity comes first.

    Of several at one place, one that names the code goes before one that catches any. An escalation that nothing
    catches is over.

    Raises:
        StepFailed: nothing catches an error.
    """
    place: Task | None = thrower
    while place is not None:
        token = _caught_at(place, raised)
        if token is not None:
            _take(token, raised)
            return
        place = container_of(place)
    if raised.kind == "error":
        spec = cast(Node, thrower.task_spec)
        raise StepFailed(
            spec.bpmn_id, f"it throws the error {raised.code!r}, which no boundary event or event sub-process catches"
        )


def _caught_at(place: Task, raised: Raised) -> Task | None:
    scope, spec = cast(BpmnBaseWorkflow, place.workflow), cast(Node, place.task_spec)
    boundary = _matching((item for item in spec.boundaries if isinstance(item, Boundary)), raised)
    if boundary is not None and not spec.is_reopened(place):
        return pass_boundary(place, boundary)
    if is_interrupted(scope):
        return None
    others = (item for item in cast(ScopeSpec, scope.spec).event_subprocesses if item is not spec)
    handler = _matching(others, raised)
    return None if handler is None else enter_event_subprocess(scope, handler)


def _matching(catchers: Iterable[_Catcher], raised: Raised) -> _Catcher | None:
    fitting = [
        catcher
        for catcher in catchers
        if catcher.event["kind"] == raised.kind and catcher.event.get("name", raised.code) == raised.code
    ]
    return min(fitting, key=lambda catcher: "name" not in catcher.event, default=None)


def _take(token: Task, raised: Raised) -> None:
    """Set the variables that come with an error or escalation, by the mappings of the event that caught it."""
    spec = cast("Boundary | EventSubProcess", token.task_spec)
    mappings = spec.event["mappings"]
    given = {**raised.variables, raised.kind: raised.details} if mappings else raised.variables
    assign(token, output_changes(spec.bpmn_id, mappings, visible(token), given))
