"""One step of a process instance: from a state to the next, as pure functions over plain JSON.

`start` makes the first state; `complete` (a task is done) and `receive` (an event is there) make every later one.
Nothing here reads a clock or a database; the caller stores the state with compare-and-set, so a step that lost a race
is simply computed again.

A state holds the instance variables and the tokens at rest (see `tokens`), and nothing that grows with what happened
but one number per activity. The ids of new tokens derive from the `seed` of the instance, so `complete` gives the same
result for the same arguments.
"""

from typing import cast
from uuid import uuid4

from SpiffWorkflow.task import Task

from process_engine.elements.events import Catch
from process_engine.elements.nodes import CelScriptEngine, Work, node_id
from process_engine.elements.task_errors import error_of, throws_error
from process_engine.elements.throwing import propagate
from process_engine.elements.waits import open_waits
from process_engine.elements.waits import receive as end_wait
from process_engine.reading.definition import Spec
from process_engine.reading.graph.graph import Scope
from process_engine.running.motion import finish, run_to_rest
from process_engine.running.stepping import PROCESS, Picture, State, Step, holder_name, plain, resume, run_on, step_from
from process_engine.running.tokens import new_workflow, work_of
from process_engine.values.errors import StepFailed, TokenUnknown
from process_engine.values.library import Library
from process_engine.values.plain_json import Json
from process_engine.values.scoped import assign, visible
from process_engine.values.variables import Mapping, Variables, output_changes

__all__ = ["PROCESS", "State", "Step", "complete", "has_plain_start", "receive", "start"]


def start(
    spec: dict[str, Json],
    variables: dict[str, Json],
    library: Library | None = None,
    start_event: str | None = None,
    payload: dict[str, Json] | None = None,
    seed: str | None = None,
) -> Step:
    """Begin a process instance.

    Args:
        spec: `Definition.spec`.
        variables: the input, plain JSON.
        library: the processes it calls and decisions it asks.
        start_event: the start event that was triggered; None for the one without a trigger.
        payload: what came with the event; its output mappings say what becomes of it.
        seed: of an instance that is computed once more; None: a new one.

    Raises:
        NotAtHand: one of them is not in the library.
        StepFailed: the input is not plain JSON, or the process cannot come to rest: see `complete`.
    """
    definition = cast(Spec, spec)
    process_id = definition["graph"]["id"]
    engine = CelScriptEngine(plain(process_id, "variables", variables), library or Library())
    if start_event is not None:
        given = plain(start_event, "payload", payload or {})
        changes = output_changes(start_event, _start_mappings(definition, start_event), engine.variables, given)
        engine.variables = {**engine.variables, **changes}
    elif not has_plain_start(definition["graph"]):
        raise StepFailed(
            process_id, "it has no start event without a trigger: only its timers, messages and signals start it"
        )
    workflow = new_workflow(definition, engine, start_event)
    run_to_rest(workflow)
    state = State(seed=seed or str(uuid4()), tokens_made=0, activations={}, variables=engine.variables, tokens=[])
    return step_from(state, workflow, Picture(set(), set(), set()))


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
    workflow, picture = resume(spec, state, library)
    task = work_of(workflow, token_id)
    given = plain(str(node_id(task.task_spec)), "output", output)
    if throws_error(given):
        propagate(task, error_of(str(node_id(task.task_spec)), given))
    else:
        _take_output(task, given)
        finish(task, workflow)
    picture.work.discard(token_id)
    return run_on(state, workflow, picture)


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
    workflow, picture = resume(spec, state, library)
    wait = next(
        (wait for wait in open_waits(workflow) if (holder_name(wait), wait.element_id) == (token_id, element_id)), None
    )
    if wait is None:
        raise TokenUnknown(f"{token_id} {element_id}")
    given, mappings = plain(element_id, "payload", payload), wait.event["mappings"]
    task = end_wait(wait)
    if mappings or wait.event["kind"] != "error":  # what an error says of itself is for mappings alone: see throwing
        assign(task, output_changes(element_id, mappings, visible(task), given))
    if isinstance(task.task_spec, Catch):
        finish(task, workflow)
    return run_on(state, workflow, picture)


def _start_mappings(definition: Spec, start_event: str) -> list[Mapping]:
    for node in definition["graph"]["nodes"]:
        if node["id"] == start_event and "event" in node:
            return node["event"]["mappings"]
    raise TokenUnknown(start_event)


def _take_output(task: Task, output: Variables) -> None:
    work = cast(Work, task.task_spec)
    assign(task, output_changes(work.bpmn_id, work.settings["outputs"], visible(task), output))
