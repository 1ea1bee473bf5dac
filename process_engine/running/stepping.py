"""What all steps of a process instance have in common: bringing a state to life, and telling what a step did to it.

A step begins with `resume`, does its one thing, and ends with `run_on`, or with `step_from` where nothing is to run.
"""

from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast
from uuid import UUID, uuid5

from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task

from process_engine.elements.calling import called_by
from process_engine.elements.nodes import CelScriptEngine, Work
from process_engine.elements.throwing import Thrown
from process_engine.elements.undo import Record, keep_records, records_of
from process_engine.elements.waits import Wait, open_waits
from process_engine.reading.definition import Spec
from process_engine.reading.openings import Leaving, Opening, opening
from process_engine.running.motion import run_to_rest
from process_engine.running.tokens import Token, dump, open_work, restore, scopes
from process_engine.running.work import NewTask, new_task
from process_engine.values.errors import NotPlainJson, StepFailed
from process_engine.values.library import Library
from process_engine.values.plain_json import Json, plain_copy
from process_engine.values.scoped import visible
from process_engine.values.variables import Variables

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


@dataclass(frozen=True)
class Picture:
    """What there was before a step: the ids of all tokens, the tokens of open tasks, the names of waits."""

    known: set[UUID]
    work: set[str]
    waits: set[tuple[str, str]]


def resume(spec: dict[str, Json], state: dict[str, Json], library: Library | None) -> tuple[BpmnWorkflow, Picture]:
    """Bring a state to life, with a picture of it as it was.

    Raises:
        EngineError: the state is of another definition.
    """
    definition, before = cast(Spec, spec), cast(State, state)
    workflow = restore(definition, before["tokens"], CelScriptEngine(before["variables"], library or Library()))
    keep_records(workflow, before.get("undoable", []))
    return workflow, Picture(
        known={task.id for scope in scopes(workflow) for task in scope.tasks.values()},
        work={str(task.id) for task in open_work(workflow)},
        waits={(holder_name(wait), wait.element_id) for wait in open_waits(workflow)},
    )


def engine_in(workflow: BpmnWorkflow) -> CelScriptEngine:
    """What holds the instance's variables, the library, and what was thrown."""
    return cast(CelScriptEngine, workflow.script_engine)


def holder_name(wait: Wait) -> str:
    """The id of the token that waits; `PROCESS` where none does."""
    return PROCESS if wait.holder is None else str(wait.holder.id)


def run_on(state: dict[str, Json], workflow: BpmnWorkflow, picture: Picture) -> Step:
    """Run the tokens until they rest, and tell what happened since `picture`. Raises StepFailed."""
    run_to_rest(workflow)
    after = State(**{**cast(State, state), "variables": engine_in(workflow).variables})
    return step_from(after, workflow, picture)


def plain(element_id: str, what: str, value: Variables) -> Variables:
    """A copy of `value` in plain JSON; `what` it is, for the message. Raises StepFailed where it is none."""
    try:
        return plain_copy(value, what)
    except NotPlainJson as error:
        raise StepFailed(element_id, str(error)) from error


def step_from(before: State, workflow: BpmnWorkflow, picture: Picture) -> Step:
    """Tell what happened since `picture`. `before`: the state before it, with the variables after it.

    Raises:
        StepFailed: the input of a task, or what an event waits for, cannot be evaluated.
    """
    names = _Names(before, picture.known)
    tokens = dump(workflow, names.name_of)
    activations = dict(before["activations"])
    new_tasks: list[NewTask] = []
    still_open: set[str] = set()
    for task in open_work(workflow):
        still_open.add(names.name_of(task))
        if task.id not in picture.known:
            activity_id = cast(Work, task.task_spec).bpmn_id
            iteration = activations[activity_id] = activations.get(activity_id, 0) + 1
            new_tasks.append(open_task(task, names.name_of(task), iteration))
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
        left=[_leaving(thrown, opened) for thrown in engine_in(workflow).thrown],
    )


def open_task(task: Task, token_id: str, iteration: int) -> NewTask:
    """The task that an open token of a service or user task makes. Raises StepFailed as `new_task` does."""
    work, called = cast(Work, task.task_spec), called_by(task)
    process = called["id"] if called else None
    return new_task(token_id, work.bpmn_id, iteration, work.settings, visible(task), process)


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
