"""Compensation (BPMN 2.0.2, 13.5.5): undoing what was completed, the last first, one after the other.

The token of the throwing event waits. It holds a plan, a list of the activities that undo, and puts a token at one of
them after the other. What is inside a completed sub-process runs in a scope of it that is opened again.
"""

from typing import TypedDict, cast

from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.containers import Container
from process_engine.elements.events import EventSubProcess, live, place
from process_engine.elements.nodes import Node, spec_name
from process_engine.elements.throwing import Throw
from process_engine.elements.undo import REOPENED, UNDOES, Record, keep_records, records_of
from process_engine.values.scoped import container_of

PLAN = "plan"
"""Key in the internal data of the throwing event's token."""


class Undoing(TypedDict):
    """One thing to undo: the scope `up` levels out of the throwing event's, the sub-processes on the way, the activity
    that was completed."""

    up: int
    path: list[str]


class ThrowCompensation(Throw):
    """Throws compensation, for one activity or for all of its scope, and waits until it is done."""

    def happen(self, my_task: Task) -> bool:
        """Begin with the next thing to undo; the token goes on when nothing is left."""
        if PLAN not in my_task.internal_data:
            my_task.internal_data[PLAN] = _plan(my_task, self.event.get("activity"))
        plan = cast(list[Undoing], my_task.internal_data[PLAN])
        if not plan:
            return True
        my_task.internal_data[PLAN] = plan[1:]
        _begin(my_task, plan[0])
        my_task._set_state(TaskState.WAITING)
        return False

    def _update_hook(self, my_task: Task) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]  # as Spiff's
        return my_task.state != TaskState.WAITING


def wake_throwers(workflow: BpmnWorkflow) -> bool:
    """Make throwing events ready whose compensation has come to an end; whether there was one."""
    tokens = [task for scope in (workflow, *workflow.subprocesses.values()) for task in live(scope)]
    undone_for = {task.internal_data.get(UNDOES) for task in tokens}
    woken = False
    for task in tokens:
        if (
            isinstance(task.task_spec, ThrowCompensation)
            and task.state == TaskState.WAITING
            and task.id not in undone_for
        ):
            task._set_state(TaskState.READY)
            woken = True
    return woken


def _plan(thrower: Task, activity: str | None) -> list[Undoing]:
    """Takes the records that are to be undone out of the scopes, and orders them."""
    plan: list[Undoing] = []
    for up, scope in enumerate(_scopes_of(thrower)):
        records = records_of(scope)
        chosen = [record for record in records if activity in (None, record["at"])]
        keep_records(scope, [record for record in records if record not in chosen])
        plan += [Undoing(up=up, path=path) for record in reversed(chosen) for path in _paths(record)]
    return plan


def _scopes_of(thrower: Task) -> list[BpmnBaseWorkflow]:
    """The scope of the throwing event; and, in an event sub-process, the scope that this handles something for."""
    found = [cast(BpmnBaseWorkflow, thrower.workflow)]
    container = container_of(thrower)
    while container is not None and isinstance(container.task_spec, EventSubProcess):
        found.append(cast(BpmnBaseWorkflow, container.workflow))
        container = container_of(container)
    return found


def _paths(record: Record) -> list[list[str]]:
    if "inside" not in record:
        return [[record["at"]]]
    return [[record["at"], *path] for inner in reversed(record["inside"]) for path in _paths(inner)]


def _begin(thrower: Task, undoing: Undoing) -> None:
    scope = _scopes_of(thrower)[undoing["up"]]
    *outer, activity = undoing["path"]
    first: Task | None = None
    for sub_process in outer:
        container, scope = _reopen(scope, sub_process)
        first = first or container
    handler = cast(Node, scope.spec.task_specs[spec_name(activity)]).compensated_by
    token = place(scope, cast(Node, scope.spec.task_specs[spec_name(str(handler))]))
    (first or token).internal_data[UNDOES] = thrower.id


def _reopen(scope: BpmnBaseWorkflow, sub_process: str) -> tuple[Task, BpmnBaseWorkflow]:
    spec = cast(Container, scope.spec.task_specs[spec_name(sub_process)])
    container = Task(scope, spec, scope.task_tree, TaskState.STARTED)
    container.internal_data[REOPENED] = True
    return container, spec.open_scope(container)
