"""Opening a state once more as another instance, and whether it fits another version of its process."""

from dataclasses import replace
from typing import NoReturn, cast

from SpiffWorkflow.bpmn.util.subworkflow import BpmnBaseWorkflow
from SpiffWorkflow.task import Task

from process_engine.elements.ad_hoc import TO_DO
from process_engine.elements.gateways import CAME_FROM
from process_engine.elements.nodes import node_id, spec_name
from process_engine.elements.repeating import Repeated
from process_engine.elements.undo import Record, records_of
from process_engine.running.stepping import (
    PROCESS,
    Picture,
    State,
    Step,
    engine_in,
    open_task,
    plain,
    resume,
    step_from,
)
from process_engine.running.tokens import open_work, scopes
from process_engine.values.errors import EngineError, RepairRefused
from process_engine.values.library import Library
from process_engine.values.plain_json import Json
from process_engine.values.scoped import top_of


def reopen(
    spec: dict[str, Json],
    state: dict[str, Json],
    variables: dict[str, Json],
    iterations: dict[str, int],
    library: Library | None = None,
) -> Step:
    """Open everything that is open in a state, as the first step of another instance: its tasks and its waits.

    Args:
        spec: the spec of the version that the other instance is of.
        state: the state to begin with; not changed.
        variables: set before, in the instance; plain JSON.
        iterations: the number of the iteration of each open task, by its token.
        library: the processes it calls and decisions it asks.

    Raises:
        NotAtHand: one of them is not in the library.
        RepairRefused: nothing is open.
        StepFailed: the input of a task, or what an event waits for, cannot be evaluated.
    """
    workflow, picture = resume(spec, state, library)
    engine = engine_in(workflow)
    engine.variables = {**engine.variables, **plain(PROCESS, "variables", variables)}
    after = State(**{**cast(State, state), "variables": engine.variables})
    step = step_from(after, workflow, Picture(picture.known, picture.work, set()))
    if step.ended or not (picture.work or step.opened):
        raise RepairRefused(
            "nothing_open",
            "The instance had ended then: there is nothing to go on with.",
            "Fork it from an earlier step.",
        )
    opened = [(task, str(task.id)) for task in open_work(workflow)]
    return replace(step, new_tasks=[open_task(task, token_id, iterations[token_id]) for task, token_id in opened])


def check_fit(
    old: dict[str, Json], new: dict[str, Json], state: dict[str, Json], library: Library | None = None
) -> None:
    """Raise RepairRefused where `state` of version `old` cannot go on with version `new` of the same process.

    Each token must find its element there, of the same kind and in the same sub-process; a token that waits at a join
    the flow that it came by; what could be undone its activity.
    """
    before, _ = resume(old, state, library)
    try:
        after, _ = resume(new, state, library)
    except EngineError as error:
        _unfit(str(error))
    for scope, other in zip(scopes(before), scopes(after), strict=True):
        for task in scope.tasks.values():
            _check_token(task, other.tasks[task.id] if task is not scope.task_tree else None)
        _check_records(records_of(scope), other)


def _check_token(task: Task, other: Task | None) -> None:
    if other is None:
        return
    at, spec, there = node_id(task.task_spec), task.task_spec, other.task_spec
    if type(spec) is not type(there):
        _unfit(f"the element {at!r} is of another kind there")
    if (
        isinstance(spec, Repeated)
        and isinstance(there, Repeated)
        and spec.loop["sequential"] != there.loop["sequential"]
    ):
        _unfit(f"{at!r} is repeated in another way there")
    came_from = task.internal_data.get(CAME_FROM)
    if came_from and came_from not in {node_id(source) for source in there.inputs}:
        _unfit(f"no flow leads from {came_from!r} to {at!r} there")
    for to_do in task.internal_data.get(TO_DO, []):
        if spec_name(to_do) not in top_of(other).subprocesses[other.id].spec.task_specs:
            _unfit(f"the activity {to_do!r} is not in {at!r} there")


def _check_records(records: list[Record], scope: BpmnBaseWorkflow) -> None:
    for record in records:
        if spec_name(record["at"]) not in scope.spec.task_specs:
            _unfit(f"the activity {record['at']!r}, which could be undone, is not there")


def _unfit(why: str) -> NoReturn:
    raise RepairRefused(
        "version_unfit",
        f"The instance cannot go on with this version: {why}.",
        "Fork it with its own version, or from a step before the elements that have changed.",
    )
