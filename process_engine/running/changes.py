"""Giving a process instance other variables by hand: nothing moves.

Like the steps of `steps` it is a pure function from state to state, committed with compare-and-set.
"""

from dataclasses import dataclass
from typing import cast

from process_engine.running.stepping import PROCESS, State, engine_in, open_task, plain, resume, step_from
from process_engine.running.tokens import work_of
from process_engine.running.work import NewTask
from process_engine.values.library import Library
from process_engine.values.plain_json import Json
from process_engine.values.scoped import assign


@dataclass(frozen=True)
class Changed:
    """An instance with other variables. `task`: the open task that was named, or None; its input, instruction and
    assignment are what they would be if it opened now."""

    state: dict[str, Json]
    variables: dict[str, Json]
    task: NewTask | None


def change(
    spec: dict[str, Json],
    state: dict[str, Json],
    token_id: str | None,
    variables: dict[str, Json],
    library: Library | None = None,
) -> Changed:
    """Give an instance other variables.

    Args:
        spec: the spec the instance was started with.
        state: the state of the last step; not changed.
        token_id: the token of an open task, whose input is computed anew, or None. A variable is set where the task
            would set it: at the nearest place that has it, else in the instance.
        variables: what to set, plain JSON; the others stay as they are.
        library: the processes it calls and decisions it asks.

    Raises:
        NotAtHand: one of them is not in the library.
        TokenUnknown: no open task has this token.
        StepFailed: the variables are not plain JSON, or the task's input cannot be evaluated over them.
    """
    workflow, picture = resume(spec, state, library)
    given = plain(PROCESS, "variables", variables)
    task = None if token_id is None else work_of(workflow, token_id)
    if task is None:
        engine_in(workflow).variables = {**engine_in(workflow).variables, **given}
    else:
        assign(task, given)
    after = State(**{**cast(State, state), "variables": engine_in(workflow).variables})
    step = step_from(after, workflow, picture)
    return Changed(step.state, step.variables, None if task is None else open_task(task, str(task.id), iteration=0))
