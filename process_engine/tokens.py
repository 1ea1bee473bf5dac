"""Where the tokens of a process instance are: a SpiffWorkflow instance in memory, a list of tokens in JSON.

A token is `{"id": ..., "at": node id}`, with what `_KEPT` names where it has it, and `inside`, a list of tokens, while
it waits for what is inside an activity. Nothing else of a process instance needs to be kept: what has happened is
history, what may happen is in the definition.
"""

from collections.abc import Callable, Iterator
from typing import Any, NotRequired, TypedDict
from uuid import UUID

from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.blueprint import build
from process_engine.calling import CALLED, Called
from process_engine.containers import Container
from process_engine.definition import Spec
from process_engine.errors import EngineError
from process_engine.gateways import CAME_FROM, InclusiveGateway, ParallelGateway
from process_engine.nodes import CelScriptEngine, Work, node_id, spec_name
from process_engine.plain_json import Json
from process_engine.repeating import PROGRESS, Progress
from process_engine.scoped import LOCALS, VARIABLES


class Token(TypedDict):
    """One token at rest."""

    id: str
    at: str
    came_from: NotRequired[str]
    locals: NotRequired[dict[str, Json]]
    progress: NotRequired[Progress]
    called: NotRequired[Called]
    variables: NotRequired[dict[str, Json]]
    inside: NotRequired[list["Token"]]


_KEPT = (CAME_FROM, LOCALS, PROGRESS, CALLED, VARIABLES)
"""What a token carries besides its place: the node it came from, its own variables, how far its repetition has come,
the process it calls and that one's variables."""


def new_workflow(definition: Spec, engine: CelScriptEngine) -> BpmnWorkflow:
    """An instance whose one token is about to enter its start event."""
    process, insides = build(definition)
    return BpmnWorkflow(process, insides, script_engine=engine)


def restore(definition: Spec, tokens: list[Token], engine: CelScriptEngine) -> BpmnWorkflow:
    """The instance whose tokens `dump` returned.

    Raises:
        EngineError: a token is at a node that the definition does not have: the state is of another definition.
    """
    process, insides = build(definition)
    workflow = BpmnWorkflow(process, insides, script_engine=engine, deserializing=True)
    workflow.task_tree = Task(workflow, process.start, state=TaskState.COMPLETED)
    _place(tokens, workflow)
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


def _place(tokens: list[Token], scope: BpmnBaseWorkflow) -> None:
    for token in tokens:
        task = _place_one(token, scope)
        if isinstance(task.task_spec, Container):
            _place(token.get("inside", []), task.task_spec.open_scope(task))


def _place_one(token: Token, scope: BpmnBaseWorkflow) -> Task:
    spec = scope.spec.task_specs.get(spec_name(token["at"]))
    if spec is None:
        raise EngineError(
            f"the state has a token at {token['at']!r}, which is not in {scope.spec.name!r}: wrong definition"
        )
    task = Task(scope, spec, scope.task_tree, _state_at_rest(spec), UUID(token["id"]))
    task.internal_data.update({key: value for key, value in token.items() if key in _KEPT})
    return task


def _state_at_rest(spec: Any) -> int:
    if isinstance(spec, Container):
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
        for key in _KEPT:
            if key in task.internal_data:
                token[key] = task.internal_data[key]
        if task.id in workflow.subprocesses:
            token["inside"] = _dump(workflow.subprocesses[task.id], workflow, name_of)
        tokens.append(token)
    return tokens
