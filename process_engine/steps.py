"""One step of a process instance: from a state to the next, as pure functions over plain JSON.

`start` makes the first state; `complete` (a task is done) and `receive` (an event is there) make every later one.
Nothing here reads a clock or a database; the caller stores the state with compare-and-set, so a step that lost a race
is simply computed again.

A state holds the instance variables and the tokens at rest (see `tokens`), and nothing that grows with what happened
but one number per activity. The ids of new tokens derive from the `seed` of the instance, so `complete` gives the same
result for the same arguments.
"""

from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast
from uuid import UUID, uuid4, uuid5

from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task

from process_engine.calling import called_by
from process_engine.definition import Spec
from process_engine.errors import NotPlainJson, StepFailed, TokenUnknown
from process_engine.events import Catch
from process_engine.graph import Scope
from process_engine.library import Library
from process_engine.mappings import Mapping
from process_engine.motion import finish, run_to_rest
from process_engine.nodes import CelScriptEngine, Work, node_id
from process_engine.openings import Leaving, Opening, opening
from process_engine.plain_json import Json, plain_copy
from process_engine.scoped import assign, visible
from process_engine.task_errors import error_of, throws_error
from process_engine.throwing import Thrown, propagate
from process_engine.tokens import Token, dump, new_workflow, open_work, restore, scopes
from process_engine.undo import Record, keep_records, records_of
from process_engine.variables import Variables, output_changes
from process_engine.waits import Wait, open_waits
from process_engine.waits import receive as end_wait
from process_engine.work import NewTask, new_task

PROCESS = "process"
"""In the place of a token id: the process itself."""


class State(TypedDict):
    """A process instance at rest, in plain JSON.

    `seed` is a UUID drawn at the start; `tokens_made` counts the ids that were derived from it; `activations` counts
    per activity id how often it was activated; `undoable` lists what the process could compensate.
    """

    seed: str
    tokens_made: int
    activations: dict[str, int]
    variables: Variables
    tokens: list[Token]
    undoable: NotRequired[list[Record]]


@dataclass(frozen=True)
class Step:
    """What one step did.

    Attributes:
        state: the new state, a `State`; it does not hold the definition.
        variables: the instance variables after the step; the same object as `state["variables"]`.
        new_tasks: the tasks that opened, in the order they opened.
        cancelled: the token ids of open tasks that were withdrawn.
        ended: whether the process instance has ended.
        opened: what the instance waits for from now on.
        closed: what it no longer waits for, as (token id, element id); `PROCESS` for the process itself.
        left: the messages and signals it sent, in their order.
    """

    state: dict[str, Json]
    variables: dict[str, Json]
    new_tasks: list[NewTask]
    cancelled: list[str]
    ended: bool
    opened: list[Opening]
    closed: list[tuple[str, str]]
    left: list[Leaving]


def start(
    spec: dict[str, Json],
    variables: dict[str, Json],
    library: Library | None = None,
    start_event: str | None = None,
    payload: dict[str, Json] | None = None,
) -> Step:
    """Begin a process instance.

    Args:
        spec: `Definition.spec`.
        variables: the input, plain JSON.
        library: the processes it calls and decisions it asks.
        start_event: the start event that was triggered; None for the one without a trigger.
        payload: what came with the event; its output mappings say what becomes of it.

    Raises:
        NotAtHand: one of them is not in the library.
        StepFailed: the input is not plain JSON, or the process cannot come to rest: see `complete`.
    """
    definition = cast(Spec, spec)
    process_id = definition["graph"]["id"]
    engine = CelScriptEngine(_plain(process_id, "variables", variables), library or Library())
    if start_event is not None:
        given = _plain(start_event, "payload", payload or {})
        changes = output_changes(start_event, _start_mappings(definition, start_event), engine.variables, given)
        engine.variables = {**engine.variables, **changes}
    elif not has_plain_start(definition["graph"]):
        raise StepFailed(
            process_id, "it has no start event without a trigger: only its timers, messages and signals start it"
        )
    workflow = new_workflow(definition, engine, start_event)
    run_to_rest(workflow)
    state = State(seed=str(uuid4()), tokens_made=0, activations={}, variables=engine.variables, tokens=[])
    return _step(state, workflow, _Picture(set(), set(), set()))


def has_plain_start(graph: Scope) -> bool:
    """Whether a process can be started without an event."""
    return any(node["kind"] == "startEvent" and "event" not in node for node in graph["nodes"])


def complete(
    spec: dict[str, Json],
    state: dict[str, Json],
    token_id: str,
    output: dict[str, Json],
    library: Library | None = None,
) -> Step:
    """Complete an open task and move the instance on.

    Args:
        spec: the spec the instance was started with.
        state: the state of the last step; not changed.
        token_id: the token of the task.
        output: what the task gave, plain JSON.
        library: the processes it calls and decisions it asks.

    Raises:
        NotAtHand: one of them is not in the library.
        TokenUnknown: no open task has this token.
        StepFailed: the output is not plain JSON; a mapping, condition, instruction or assignment cannot be evaluated; a
            gateway has no branch to take; the output throws an error that nothing catches; or the process is stuck or
            loops endlessly. The state is as before.
    """
    workflow, picture = _resume(spec, state, library)
    task = next((task for task in open_work(workflow) if str(task.id) == token_id), None)
    if task is None:
        raise TokenUnknown(token_id)
    given = _plain(str(node_id(task.task_spec)), "output", output)
    if throws_error(given):
        propagate(task, error_of(str(node_id(task.task_spec)), given))
    else:
        _take_output(task, given)
        finish(task, workflow)
    picture.work.discard(token_id)
    return _run_on(state, workflow, picture)


def receive(
    spec: dict[str, Json],
    state: dict[str, Json],
    token_id: str,
    element_id: str,
    payload: dict[str, Json],
    library: Library | None = None,
) -> Step:
    """Let an instance have an event it waits for.

    Args:
        spec: the spec the instance was started with.
        state: the state of the last step; not changed.
        token_id: the token that waits, or `PROCESS`.
        element_id: the event.
        payload: what came with it, plain JSON; its output mappings say what becomes of it.
        library: the processes it calls and decisions it asks.

    Raises:
        NotAtHand: one of them is not in the library.
        TokenUnknown: nothing waits under this name.
        StepFailed: as in `complete`.
    """
    workflow, picture = _resume(spec, state, library)
    wait = next(
        (wait for wait in open_waits(workflow) if (_holder(wait), wait.element_id) == (token_id, element_id)), None
    )
    if wait is None:
        raise TokenUnknown(f"{token_id} {element_id}")
    given = _plain(element_id, "payload", payload)
    task = end_wait(wait)
    assign(task, output_changes(element_id, wait.event["mappings"], visible(task), given))
    if isinstance(task.task_spec, Catch):
        finish(task, workflow)
    return _run_on(state, workflow, picture)


@dataclass(frozen=True)
class _Picture:
    """What there was before a step: the ids of all tokens, the tokens of open tasks, the names of waits."""

    known: set[UUID]
    work: set[str]
    waits: set[tuple[str, str]]


def _resume(spec: dict[str, Json], state: dict[str, Json], library: Library | None) -> tuple[BpmnWorkflow, _Picture]:
    definition, before = cast(Spec, spec), cast(State, state)
    workflow = restore(definition, before["tokens"], CelScriptEngine(before["variables"], library or Library()))
    keep_records(workflow, before.get("undoable", []))
    return workflow, _Picture(
        known={task.id for scope in scopes(workflow) for task in scope.tasks.values()},
        work={str(task.id) for task in open_work(workflow)},
        waits={(_holder(wait), wait.element_id) for wait in open_waits(workflow)},
    )


def _engine(workflow: BpmnWorkflow) -> CelScriptEngine:
    return cast(CelScriptEngine, workflow.script_engine)


def _holder(wait: Wait) -> str:
    return PROCESS if wait.holder is None else str(wait.holder.id)


def _run_on(state: dict[str, Json], workflow: BpmnWorkflow, picture: _Picture) -> Step:
    run_to_rest(workflow)
    after = State(**{**cast(State, state), "variables": _engine(workflow).variables})
    return _step(after, workflow, picture)


def _start_mappings(definition: Spec, start_event: str) -> list[Mapping]:
    for node in definition["graph"]["nodes"]:
        if node["id"] == start_event and "event" in node:
            return node["event"]["mappings"]
    raise TokenUnknown(start_event)


def _take_output(task: Task, output: Variables) -> None:
    work = cast(Work, task.task_spec)
    assign(task, output_changes(work.bpmn_id, work.settings["outputs"], visible(task), output))


def _plain(element_id: str, what: str, value: Variables) -> Variables:
    try:
        return plain_copy(value, what)
    except NotPlainJson as error:
        raise StepFailed(element_id, str(error)) from error


def _step(before: State, workflow: BpmnWorkflow, picture: _Picture) -> Step:
    names = _Names(before, picture.known)
    tokens = dump(workflow, names.name_of)
    activations = dict(before["activations"])
    new_tasks: list[NewTask] = []
    still_open: set[str] = set()
    for task in open_work(workflow):
        still_open.add(names.name_of(task))
        if task.id not in picture.known:
            work = cast(Work, task.task_spec)
            iteration = activations[work.bpmn_id] = activations.get(work.bpmn_id, 0) + 1
            called = called_by(task)
            process = called["id"] if called else None
            new_tasks.append(
                new_task(names.name_of(task), work.bpmn_id, iteration, work.settings, visible(task), process)
            )
    state = State(
        seed=before["seed"],
        tokens_made=names.made,
        activations=activations,
        variables=before["variables"],
        tokens=tokens,
    )
    if records_of(workflow):
        state["undoable"] = records_of(workflow)
    waits = {names.name_of_wait(wait): wait for wait in open_waits(workflow)}
    opened = {name: wait for name, wait in waits.items() if name not in picture.waits}
    return Step(
        state=cast(dict[str, Json], state),
        variables=before["variables"],
        new_tasks=new_tasks,
        cancelled=sorted(picture.work - still_open),
        ended=workflow.completed,
        opened=[_opening(name, wait) for name, wait in opened.items()],
        closed=sorted(picture.waits - waits.keys()),
        left=[_leaving(thrown, opened) for thrown in _engine(workflow).thrown],
    )


def _opening(name: tuple[str, str], wait: Wait) -> Opening:
    found = opening(wait.element_id, wait.event, visible(wait.seen_from), once=wait.happens_once)
    found["token"] = name[0]
    return found


def _leaving(thrown: Thrown, opened: dict[tuple[str, str], Wait]) -> Leaving:
    return Leaving(
        kind=thrown.kind,
        element=thrown.element_id,
        name=thrown.name,
        correlation_key=thrown.correlation_key,
        variables=thrown.variables,
        not_to=[name for name, wait in opened.items() if wait.key not in thrown.waits],
    )


class _Names:
    """The ids of tokens: the ones they had, and for new ones the next ids that derive from the instance's seed."""

    def __init__(self, before: State, known: set[UUID]) -> None:
        self._seed = UUID(before["seed"])
        self._known = known
        self._given: dict[UUID, str] = {}
        self.made = before["tokens_made"]

    def name_of(self, task: Task) -> str:
        if task.id in self._known:
            return str(task.id)
        if task.id not in self._given:
            self._given[task.id] = str(uuid5(self._seed, str(self.made)))
            self.made += 1
        return self._given[task.id]

    def name_of_wait(self, wait: Wait) -> tuple[str, str]:
        return (PROCESS if wait.holder is None else self.name_of(wait.holder), wait.element_id)
