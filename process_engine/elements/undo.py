"""What could be compensated: which activities of a scope were completed and can be undone, in the order they ended.

A sub-process that was completed and has nothing to undo it as a whole is undone by undoing what is inside it.
"""

from typing import NotRequired, TypedDict, cast

from SpiffWorkflow.bpmn.specs.bpmn_task_spec import BpmnTaskSpec
from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.task import Task

UNDOABLE = "undoable"
"""Key in the data of a scope, and in the internal data of a token that has left its inside: a list of records."""

REOPENED = "reopened"
"""Key in the internal data of a completed sub-process's token that came back to undo what is inside."""

UNDOES = "undoes"
"""Key in the internal data of a token that undoes something: the id of the token that waits for it."""


class Record(TypedDict):
    """A completed activity: `at` is its id, `inside` the records of a sub-process without a compensation of its own."""

    at: str
    inside: NotRequired[list["Record"]]


def remember(task: Task, *, has_handler: bool) -> None:
    """Note that an activity was completed, where there is a way to undo it."""
    inside = cast(list[Record], task.internal_data.get(UNDOABLE, []))
    bpmn_id = cast(BpmnTaskSpec, task.task_spec).bpmn_id or ""
    if REOPENED in task.internal_data or UNDOES in task.internal_data:
        return
    if has_handler:
        _append(task, Record(at=bpmn_id))
    elif inside:
        _append(task, Record(at=bpmn_id, inside=inside))


def records_of(scope: BpmnBaseWorkflow) -> list[Record]:
    """The records of a scope, the first that ended first; not to be changed."""
    return cast(list[Record], scope.data.get(UNDOABLE, []))


def keep_records(scope: BpmnBaseWorkflow, records: list[Record]) -> None:
    """Replace the records of a scope."""
    scope.data[UNDOABLE] = records


def _append(task: Task, record: Record) -> None:
    scope = cast(BpmnBaseWorkflow, task.workflow)
    keep_records(scope, [*records_of(scope), record])
