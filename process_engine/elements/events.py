"""The nodes at which events are caught, and what it does to the tokens when one is.

A token waits at a catching event or at an event-based gateway. A boundary event waits as long as a token is at its
activity, an event sub-process as long as its scope runs. Where tokens wait is therefore in the state already; see
`waits` for the list.
"""

from typing import cast

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec
from SpiffWorkflow.bpmn.specs.mixins import UserTaskMixin
from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.containers import SubProcess
from process_engine.elements.nodes import Node, PassThrough
from process_engine.elements.withdrawal import withdraw
from process_engine.reading.graph.graph import Event

INTERRUPTS = "interrupts"
"""Key in the internal data of an event sub-process's token: it ended everything else in its scope."""


class Catch(UserTaskMixin, Node):
    """An intermediate event or receive task: the token waits here for the event."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, event: Event) -> None:
        super().__init__(wf_spec, bpmn_id)
        self.event = event


class EventGateway(UserTaskMixin, Node):
    """An event-based gateway: the token waits here for the first of the events that follow."""


class Boundary(PassThrough):
    """A boundary event: a token begins here when the event is caught."""

    def __init__(self, wf_spec: BpmnProcessSpec, bpmn_id: str, event: Event, interrupting: bool) -> None:
        super().__init__(wf_spec, bpmn_id)
        self.event = event
        self.interrupting = interrupting


class EventSubProcess(SubProcess):
    """An event sub-process. Its start event, which says what triggers it, is known once its scope is built."""

    start_id: str
    event: Event
    interrupting: bool


def place(scope: BpmnBaseWorkflow, spec: Node) -> Task:
    """Put a token at a node, as if it had come along a flow."""
    task = Task(scope, spec, scope.task_tree, TaskState.FUTURE)
    spec._update(task)
    return task


def live(scope: BpmnBaseWorkflow) -> list[Task]:
    """The tokens of a scope that have not ended, without those in the scopes inside."""
    return [
        task
        for task in scope.tasks.values()
        if task is not scope.task_tree and not task.has_state(TaskState.FINISHED_MASK)
    ]


def is_interrupted(scope: BpmnBaseWorkflow) -> bool:
    """Whether an interrupting event sub-process has taken a scope over; nothing else of it can be triggered then."""
    return any(INTERRUPTS in task.internal_data for task in live(scope))


def pass_boundary(host: Task, boundary: Boundary) -> Task:
    """Trigger a boundary event of the activity that `host` is at; returns the token that begins."""
    scope = cast(BpmnBaseWorkflow, host.workflow)
    if boundary.interrupting:
        withdraw(host)
    return place(scope, boundary)


def enter_event_subprocess(scope: BpmnBaseWorkflow, spec: EventSubProcess) -> Task:
    """Trigger an event sub-process of a running scope; returns its token."""
    if spec.interrupting:
        for task in live(scope):
            withdraw(task)
    task = place(scope, spec)
    if spec.interrupting:
        task.internal_data[INTERRUPTS] = True
    return task
