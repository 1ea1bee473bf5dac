"""One step of a process instance: from a state to the next, as pure functions over plain JSON.

`start` makes the first state, `complete` every later one. Nothing here reads a clock or a database; the caller stores
the state with compare-and-set, so a step that lost a race is simply computed again.

A state holds the instance variables and the tokens at rest (see `tokens`), and nothing that grows with what happened
but one number per activity. The ids of new tokens derive from the `seed` of the instance, so `complete` gives the same
result for the same arguments.
"""

from dataclasses import dataclass
from typing import TypedDict, cast
from uuid import UUID, uuid4, uuid5

from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task

from process_engine.calling import called_by
from process_engine.definition import Spec
from process_engine.errors import NotPlainJson, StepFailed, TokenUnknown
from process_engine.library import Library
from process_engine.motion import finish, run_to_rest
from process_engine.nodes import CelScriptEngine, Work
from process_engine.plain_json import Json, plain_copy
from process_engine.scoped import assign, visible
from process_engine.tokens import Token, dump, new_workflow, open_work, restore, scopes
from process_engine.variables import Variables, output_changes
from process_engine.work import NewTask, new_task


class State(TypedDict):
    """A process instance at rest, in plain JSON.

    `seed` is a UUID drawn at the start; `tokens_made` counts the ids that were derived from it; `activations` counts
    per activity id how often it was activated.
    """

    seed: str
    tokens_made: int
    activations: dict[str, int]
    variables: Variables
    tokens: list[Token]


@dataclass(frozen=True)
class Step:
    """What one step did.

    Attributes:
        state: the new state, a `State`; it does not hold the definition.
        variables: the instance variables after the step; the same object as `state["variables"]`.
        new_tasks: the tasks that opened, in the order they opened.
        cancelled: the token ids of open tasks that were withdrawn.
        ended: whether the process instance has ended.
    """

    state: dict[str, Json]
    variables: dict[str, Json]
    new_tasks: list[NewTask]
    cancelled: list[str]
    ended: bool


def start(spec: dict[str, Json], variables: dict[str, Json], library: Library | None = None) -> Step:
    """Begin a process instance.

    Args:
        spec: `Definition.spec`.
        variables: the input, plain JSON.
        library: the processes it calls and decisions it asks.

    Raises:
        NotAtHand: one of them is not in the library.
        StepFailed: the input is not plain JSON, or the process cannot come to rest: see `complete`.
    """
    definition = cast(Spec, spec)
    process_id = definition["graph"]["id"]
    engine = CelScriptEngine(_plain(process_id, "variables", variables), library or Library())
    workflow = new_workflow(definition, engine)
    run_to_rest(workflow)
    state = State(seed=str(uuid4()), tokens_made=0, activations={}, variables=engine.variables, tokens=[])
    return _step(state, workflow, known=set(), withdrawn=[])


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
            gateway has no branch to take; or the process is stuck or loops endlessly. The state is as before.
    """
    definition, before = cast(Spec, spec), cast(State, state)
    engine = CelScriptEngine(before["variables"], library or Library())
    workflow = restore(definition, before["tokens"], engine)
    known = {task.id for scope in scopes(workflow) for task in scope.tasks.values()}
    was_open = {str(task.id): task for task in open_work(workflow)}
    task = was_open.pop(token_id, None)
    if task is None:
        raise TokenUnknown(token_id)
    _take_output(task, output)
    finish(task, workflow)
    run_to_rest(workflow)
    still_open = {str(task.id) for task in open_work(workflow)}
    withdrawn = [token for token in was_open if token not in still_open]
    return _step(State(**{**before, "variables": engine.variables}), workflow, known, withdrawn)


def _take_output(task: Task, output: Variables) -> None:
    work = cast(Work, task.task_spec)
    given = _plain(work.bpmn_id, "output", output)
    assign(task, output_changes(work.bpmn_id, work.settings["outputs"], visible(task), given))


def _plain(element_id: str, what: str, value: Variables) -> Variables:
    try:
        return plain_copy(value, what)
    except NotPlainJson as error:
        raise StepFailed(element_id, str(error)) from error


def _step(before: State, workflow: BpmnWorkflow, known: set[UUID], withdrawn: list[str]) -> Step:
    names = _Names(before, known)
    tokens = dump(workflow, names.name_of)
    activations = dict(before["activations"])
    new_tasks: list[NewTask] = []
    for task in open_work(workflow):
        if task.id not in known:
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
    return Step(cast(dict[str, Json], state), before["variables"], new_tasks, withdrawn, workflow.completed)


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
