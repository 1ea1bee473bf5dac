"""Where the tokens of a process instance are: a SpiffWorkflow instance in memory, a list of tokens in JSON.

A token is `{"id": ..., "at": node id}`, with what `_KEPT` names where it has it, and `inside`, a list of tokens, while
it waits for what is inside an activity. Nothing else of a process instance needs to be kept: what has happened is
history, what may happen is in the definition.
"""

from collections.abc import Callable, Iterator
from typing import Any, NotRequired, TypedDict, cast
from uuid import UUID

from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.specs.base import TaskSpec
from SpiffWorkflow.specs.WorkflowSpec import WorkflowSpec
from SpiffWorkflow.task import Task
from SpiffWorkflow.util.task import TaskState

from process_engine.elements.ad_hoc import TO_DO
from process_engine.elements.blueprint import build
from process_engine.elements.calling import CALLED, Called
from process_engine.elements.compensation import PLAN, ThrowCompensation, Undoing
from process_engine.elements.containers import Container
from process_engine.elements.events import INTERRUPTS, place
from process_engine.elements.gateways import CAME_FROM, InclusiveGateway, ParallelGateway
from process_engine.elements.nodes import CelScriptEngine, Node, Work, node_id, spec_name
from process_engine.elements.repeating import PROGRESS, Progress
from process_engine.elements.undo import REOPENED, UNDOABLE, UNDOES, Record, keep_records, records_of
from process_engine.reading.definition import Spec
from process_engine.values.errors import EngineError, TokenUnknown
from process_engine.values.plain_json import Json
from process_engine.values.scoped import LOCALS, VARIABLES


class Token(TypedDict):
    """One token at rest."""

    id: str
    at: str
    came_from: NotRequired[str]
    locals: NotRequired[dict[str, Json]]
    progress: NotRequired[Progress]
    to_do: NotRequired[list[str]]
    called: NotRequired[Called]
    variables: NotRequired[dict[str, Json]]
    plan: NotRequired[list[Undoing]]
    interrupts: NotRequired[bool]
    reopened: NotRequired[bool]
    undoes: NotRequired[str]
    undoable: NotRequired[list[Record]]
    inside: NotRequired[list["Token"]]


_KEPT = (CAME_FROM, LOCALS, PROGRESS, CALLED, VARIABLES, PLAN, INTERRUPTS, REOPENED, TO_DO)
"""What a token carries besides its place: the node it came from, its own variables, how far its repetition has come,
the process it calls and that one's variables, what it has still to undo, that it interrupted its scope, that it came
back to undo something, what an ad-hoc sub-process has still to begin."""


def new_workflow(definition: Spec, engine: CelScriptEngine, start_event: str | None = None) -> BpmnWorkflow:
    """An instance whose one token is at its start event: `start_event`, or the one without a trigger."""
    workflow = restore(definition, [], engine)
    specs = cast(WorkflowSpec, workflow.spec)
    starts = cast(TaskSpec, specs.start).outputs if start_event is None else [specs.task_specs[spec_name(start_event)]]
    for spec in starts:
        place(workflow, cast(Node, spec))
    return workflow


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


def token_ids(tokens: list[Token]) -> Iterator[str]:
    """The ids of tokens and of those inside them."""
    for token in tokens:
        yield token["id"]
        yield from token_ids(token.get("inside", []))


def work_of(workflow: BpmnWorkflow, token_id: str) -> Task:
    """The open task of a token. Raises TokenUnknown."""
    task = next((task for task in open_work(workflow) if str(task.id) == token_id), None)
    if task is None:
        raise TokenUnknown(token_id)
    return task


def _place(tokens: list[Token], scope: BpmnBaseWorkflow) -> None:
    for token in tokens:
        task = _place_one(token, scope)
        if isinstance(task.task_spec, Container):
            scope_inside = task.task_spec.open_scope(task)
            keep_records(scope_inside, token.get("undoable", []))
            _place(token.get("inside", []), scope_inside)


def _place_one(token: Token, scope: BpmnBaseWorkflow) -> Task:
    spec = scope.spec.task_specs.get(spec_name(token["at"]))
    if spec is None:
        raise EngineError(
            f"the state has a token at {token['at']!r}, which is not in {scope.spec.name!r}: wrong definition"
        )
    task = Task(scope, spec, scope.task_tree, _state_at_rest(spec), UUID(token["id"]))
    task.internal_data.update({key: value for key, value in token.items() if key in _KEPT})
    if "undoes" in token:
        task.internal_data[UNDOES] = UUID(token["undoes"])
    return task


def _state_at_rest(spec: Any) -> int:
    if isinstance(spec, Container):
        return TaskState.STARTED
    if isinstance(spec, ParallelGateway | InclusiveGateway | ThrowCompensation):
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
        if UNDOES in task.internal_data:
            token["undoes"] = name_of(_task(workflow, task.internal_data[UNDOES]))
        if task.id in workflow.subprocesses:
            scope_inside = workflow.subprocesses[task.id]
            token["inside"] = _dump(scope_inside, workflow, name_of)
            if records_of(scope_inside):
                token[UNDOABLE] = records_of(scope_inside)
        tokens.append(token)
    return tokens


def _task(workflow: BpmnWorkflow, task_id: UUID) -> Task:
    return next(scope.tasks[task_id] for scope in scopes(workflow) if task_id in scope.tasks)
