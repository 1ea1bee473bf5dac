"""Which error events catch the failure of a task: those whose code is the class of the failure.

A task fails when its attempts are used up or none can help. An error event that catches any error does not catch that:
who writes one means the errors of the model, and a failure nobody thought of is to be seen by somebody.
"""

from collections.abc import Iterator
from typing import cast

from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.task import Task

from kernel.error_classes import ErrorClass
from process_engine.elements.events import Boundary, EventSubProcess, is_interrupted
from process_engine.elements.nodes import Node, ScopeSpec
from process_engine.values.scoped import container_of

CATCHABLE = frozenset(ErrorClass) - {ErrorClass.DEFINITION_INVALID}
"""A definition that asks for what is not there has to be mended; its own events are no help."""


def catchers(task: Task) -> Iterator[tuple[Task, Boundary | EventSubProcess]]:
    """The events that would catch the failure of `task`, with the token they are at; for each class the nearest."""
    place: Task | None = task
    taken: set[str] = set()
    while place is not None:
        for catcher in _at(place):
            code = catcher.event.get("name", "")
            if catcher.event["kind"] == "error" and code in CATCHABLE and code not in taken:
                taken.add(code)
                yield place, catcher
        place = container_of(place)


def _at(place: Task) -> Iterator[Boundary | EventSubProcess]:
    scope, spec = cast(BpmnBaseWorkflow, place.workflow), cast(Node, place.task_spec)
    if not spec.is_reopened(place):
        yield from (item for item in spec.boundaries if isinstance(item, Boundary))
    if not is_interrupted(scope):
        yield from (item for item in cast(ScopeSpec, scope.spec).event_subprocesses if item is not spec)
