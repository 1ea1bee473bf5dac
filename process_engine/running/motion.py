"""Moves the tokens of an instance until only people and agents can move it further."""

from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState
from SpiffWorkflow.workflow import Workflow

from process_engine.elements.compensation import wake_throwers
from process_engine.elements.gateways import InclusiveGateway, ParallelGateway
from process_engine.elements.nodes import Node, node_id
from process_engine.elements.waits import open_waits
from process_engine.running.tokens import open_work, scopes
from process_engine.values.errors import StepFailed

MOST_MOVES = 10_000
"""Nodes one step may pass without coming to rest. A real process passes tens; an endless loop passes any number."""


def run_to_rest(workflow: BpmnWorkflow) -> None:
    """Run every node that needs nobody: events, gateways, sub-processes, manual and undefined tasks.

    Raises:
        StepFailed: a condition cannot be evaluated; no branch is true; the tokens run in an endless loop; or the
            instance is stuck, with nobody left to move it, because a join waits for a token that cannot come.
    """
    task = None
    for _ in range(MOST_MOVES):
        task = _next_automatic(workflow)
        if task is None:
            return _check_not_stuck(workflow)
        if not isinstance(task.task_spec, Node) or task.task_spec.happen(task):
            task.run()
        _forget_finished(task.workflow, workflow)
    raise StepFailed(
        _element_id(task, workflow),
        f"the process passed {MOST_MOVES} elements without reaching a task: an endless loop",
    )


def finish(task: Task, workflow: BpmnWorkflow) -> None:
    """Complete a task of `tokens.open_work`; `run_to_rest` must follow."""
    task.run()
    _forget_finished(task.workflow, workflow)


def _next_automatic(workflow: BpmnWorkflow) -> Task | None:
    for scope in scopes(workflow):
        for task in scope.tasks.values():
            if task.state == TaskState.READY and not task.task_spec.manual:
                return task
    return _next_automatic(workflow) if wake_throwers(workflow) else None


def _forget_finished(scope: Workflow, workflow: BpmnWorkflow) -> None:
    """Drop the tasks that are done and hang what they activated under the root.

    The tree then holds the tokens and nothing else; SpiffWorkflow walks it at every move, recursively.
    """
    root = scope.task_tree
    for task in list(scope.tasks.values()):
        if task is root or not task.has_state(TaskState.FINISHED_MASK):
            continue
        for child in task.children:
            child.parent = root
            root._child_added_notify(child)
        task.parent._children.remove(task.id)
        del scope.tasks[task.id]
        workflow.subprocesses.pop(task.id, None)


def _check_not_stuck(workflow: BpmnWorkflow) -> None:
    if workflow.completed or open_work(workflow) or open_waits(workflow):
        return
    waiting = [task for scope in scopes(workflow) for task in scope.tasks.values() if _waits_at_join(task)]
    join = waiting[0].task_spec
    missing = ", ".join(join.missing_sources(waiting[0]))
    raise StepFailed(
        join.bpmn_id, f"the process is stuck: this join waits for a token from {missing}, which cannot come any more"
    )


def _waits_at_join(task: Task) -> bool:
    return isinstance(task.task_spec, ParallelGateway | InclusiveGateway) and task.state == TaskState.WAITING


def _element_id(task: Task | None, workflow: BpmnWorkflow) -> str:
    return (node_id(task.task_spec) if task else None) or workflow.spec.name
