"""Where the tokens of a process instance are: a SpiffWorkflow instance in memory, a list of tokens in JSON.

A token is `{"id": ..., "at": node id}`, with `came_from` while it waits at a join and `inside`, a list of tokens, while
it waits for a sub-process. Nothing else of a process instance needs to be kept: what has happened is history, what may
happen is in the definition.
"""

from collections.abc import Callable, Iterator
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow, BpmnSubWorkflow
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.blueprint import build
from process_engine.errors import EngineError
from process_engine.gateways import CAME_FROM, InclusiveGateway, ParallelGateway
from process_engine.graph import Scope
from process_engine.nodes import CelScriptEngine, SubProcess, Work, node_id, spec_name


class Token(TypedDict):
    """One token at rest."""

    id: str
    at: str
    came_from: NotRequired[str]
    inside: NotRequired[list["Token"]]


def new_workflow(graph: Scope, engine: CelScriptEngine) -> BpmnWorkflow:
    """An instance whose one token is about to enter its start event."""
    process, subprocesses = build(graph)
    return BpmnWorkflow(process, subprocesses, script_engine=engine)


def restore(graph: Scope, tokens: list[Token], engine: CelScriptEngine) -> BpmnWorkflow:
    """The instance whose tokens `dump` returned.

    Raises:
        EngineError: a token is at a node that the graph does not have: the state is of another definition.
    """
    process, subprocesses = build(graph)
    workflow = BpmnWorkflow(process, subprocesses, script_engine=engine, deserializing=True)
    _place(tokens, workflow, workflow)
    return workflow


def dump(workflow: BpmnWorkflow, name_of: Callable[[Task], str]) -> list[Token]:
    """The tokens of an instance at rest, oldest first; `name_of` gives each its id."""
    return _dump(workflow, workflow, name_of)


def scopes(workflow: BpmnWorkflow) -> Iterator[BpmnBaseWorkflow]:
    """The process and its running sub-processes."""
    yield workflow
    yield from workflow.subprocesses.values()


def open_work(workflow: BpmnWorkflow) -> list[Task]:
    """The service and user tasks that wait to be completed, oldest first within each scope."""
    return [
        task
        for scope in scopes(workflow)
        for task in scope.tasks.values()
        if isinstance(task.task_spec, Work) and task.state == TaskState.READY
    ]


def _place(tokens: list[Token], scope: BpmnBaseWorkflow, workflow: BpmnWorkflow) -> None:
    root = Task(scope, scope.spec.start, state=TaskState.COMPLETED)
    scope.task_tree = root
    for token in tokens:
        task = _place_one(token, scope, root)
        node = task.task_spec
        if isinstance(node, SubProcess):
            inner = BpmnSubWorkflow(workflow.subprocess_specs[node.spec], task.id, workflow, deserializing=True)
            inner.completed_event.connect(node._on_subworkflow_completed, task)
            workflow.subprocesses[task.id] = inner
            _place(token.get("inside", []), inner, workflow)


def _place_one(token: Token, scope: BpmnBaseWorkflow, root: Task) -> Task:
    spec = scope.spec.task_specs.get(spec_name(token["at"]))
    if spec is None:
        raise EngineError(
            f"the state has a token at {token['at']!r}, which is not in {scope.spec.name!r}: wrong definition"
        )
    task = Task(scope, spec, root, _state_at_rest(spec), UUID(token["id"]))
    if "came_from" in token:
        task.internal_data[CAME_FROM] = token["came_from"]
    return task


def _state_at_rest(spec: Any) -> int:
    if isinstance(spec, SubProcess):
        return TaskState.STARTED
    if isinstance(spec, ParallelGateway | InclusiveGateway):
        return TaskState.WAITING
    return TaskState.READY


def _dump(scope: BpmnBaseWorkflow, workflow: BpmnWorkflow, name_of: Callable[[Task], str]) -> list[Token]:
    tokens: list[Token] = []
    for task in scope.tasks.values():
        at = node_id(task.task_spec)
        if task.has_state(TaskState.FINISHED_MASK) or at is None:
            continue
        token = Token(id=name_of(task), at=at)
        if CAME_FROM in task.internal_data:
            token["came_from"] = task.internal_data[CAME_FROM]
        if task.id in workflow.subprocesses:
            token["inside"] = _dump(workflow.subprocesses[task.id], workflow, name_of)
        tokens.append(token)
    return tokens
