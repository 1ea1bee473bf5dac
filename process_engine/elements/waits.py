"""What a process instance at rest waits for from outside: timers, messages, signals, and failures of its tasks.

A wait belongs to a token (or to the process itself) and to an event. That pair is its name, so that the list follows
from the tokens alone: a wait opens when the pair appears, and closes when it is gone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task

from process_engine.elements.events import (
    Boundary,
    Catch,
    EventGateway,
    EventSubProcess,
    enter_event_subprocess,
    is_interrupted,
    live,
    pass_boundary,
    place,
)
from process_engine.elements.failures import catchers
from process_engine.elements.nodes import Node, ScopeSpec, Work
from process_engine.elements.withdrawal import withdraw
from process_engine.reading.graph.graph import Event
from process_engine.values.scoped import container_of

_FROM_OUTSIDE = frozenset({"timer", "message", "signal"})


@dataclass(frozen=True)
class Wait:
    """Something that is waited for.

    Attributes:
        holder: the token that waits; None where an event sub-process of the process itself does.
        seen_from: the token whose variables its expressions see, and that the event is at.
        element_id: the event.
        event: what it is.
        spec: the node of the event; of an event sub-process the sub-process.
        happens_once: whether the first event of this kind ends the wait.
    """

    holder: Task | None
    seen_from: Task
    element_id: str
    event: Event
    spec: Node
    happens_once: bool

    @property
    def key(self) -> tuple[UUID | None, str]:
        """The token's id and the event's: the wait's name."""
        return (self.holder.id if self.holder else None, self.element_id)


def open_waits(workflow: BpmnWorkflow) -> list[Wait]:
    """All waits of an instance, in the order of its tokens."""
    if workflow.completed:
        return []
    return [wait for scope in (workflow, *workflow.subprocesses.values()) for wait in _waits_of_scope(scope)]


def receive(wait: Wait) -> Task:
    """Let a wait be over: the event is there. Returns the token that goes on.

    Where the token is at a `Catch`, it is to be finished next; in all other cases it has begun to run by itself.
    """
    scope = cast(BpmnBaseWorkflow, wait.seen_from.workflow)
    if isinstance(wait.spec, EventSubProcess):
        return enter_event_subprocess(scope, wait.spec)
    assert wait.holder is not None, "only event sub-processes wait without a token"
    if isinstance(wait.spec, Boundary):
        return pass_boundary(wait.seen_from, wait.spec)
    if wait.holder.task_spec is wait.spec:
        return wait.holder
    withdraw(wait.holder)
    return place(scope, wait.spec)


def _waits_of_scope(scope: BpmnBaseWorkflow) -> Iterator[Wait]:
    for task in live(scope):
        yield from _waits_of_token(task)
    container = container_of(scope.task_tree)
    if is_interrupted(scope) or (container is not None and Node.is_reopened(container)):
        return
    for spec in cast(ScopeSpec, scope.spec).event_subprocesses:
        if spec.event["kind"] in _FROM_OUTSIDE:
            yield Wait(container, scope.task_tree, spec.start_id, spec.event, spec, spec.interrupting)


def _waits_of_token(task: Task) -> Iterator[Wait]:
    spec = task.task_spec
    if isinstance(spec, Catch):
        yield Wait(task, task, spec.bpmn_id, spec.event, spec, True)
    if isinstance(spec, EventGateway):
        for following in cast(list[Catch], spec.outputs):
            yield Wait(task, task, following.bpmn_id, following.event, following, True)
    if isinstance(spec, Node) and not spec.is_reopened(task):
        for boundary in cast(list[Boundary], spec.boundaries):
            if boundary.event["kind"] in _FROM_OUTSIDE:
                yield Wait(task, task, boundary.bpmn_id, boundary.event, boundary, boundary.interrupting)
    if isinstance(spec, Work):
        for at, catcher in catchers(task):
            element = catcher.start_id if isinstance(catcher, EventSubProcess) else catcher.bpmn_id
            yield Wait(task, at, element, catcher.event, catcher, True)
