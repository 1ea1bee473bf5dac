"""Which variables a token sees, and where its changes go.

The variables of a process instance are seen everywhere. A token may have `locals` of its own: the element and the
counter of a loop, the input mappings of a sub-process. They hide variables of the same name from what runs inside and
end with the token. A change goes to the nearest place that holds the name, else to the instance (the rules of Zeebe).
"""

from collections.abc import Iterator
from typing import Any, cast

from SpiffWorkflow.bpmn.workflow import BpmnWorkflow
from SpiffWorkflow.task import Task

from process_engine.values.plain_json import Json

LOCALS = "locals"
"""Key in a token's internal data: its own variables. The dict is replaced, never changed."""

VARIABLES = "variables"
"""Key in the internal data of a call activity's token: all that the called process sees; nothing outside is seen."""


def container_of(task: Task) -> Task | None:
    """The token whose inside `task` is in; None in the process itself."""
    scope: Any = task.workflow
    if scope.parent_task_id is None:
        return None
    return scope.top_workflow.get_task_from_id(scope.parent_task_id)


def top_of(task: Task) -> BpmnWorkflow:
    """The process instance of a token."""
    return cast(Any, task.workflow).top_workflow


def engine_of(task: Task) -> Any:
    """The CelScriptEngine of the instance, which holds its variables and the library."""
    return top_of(task).script_engine


def visible(task: Task) -> dict[str, Json]:
    """All variables that a token sees; not to be changed."""
    layers = list(_layers(task))
    seen = {} if _is_called(layers) else engine_of(task).variables
    for holder, key in reversed(layers):
        seen = {**seen, **holder.internal_data[key]}
    return seen


def assign(task: Task, changes: dict[str, Json], *, outside: bool = False) -> None:
    """Set variables as a token that is at `task` does; `outside`: its own locals are not looked at."""
    layers = [(holder, key) for holder, key in _layers(task) if not (outside and holder is task)]
    for name, value in changes.items():
        place = next(((holder, key) for holder, key in layers if name in holder.internal_data[key]), None)
        if place is None and _is_called(layers):
            place = layers[-1]
        if place is not None:
            holder, key = place
            holder.internal_data[key] = {**holder.internal_data[key], name: value}
        else:
            engine = engine_of(task)
            engine.variables = {**engine.variables, name: value}


def _is_called(layers: list[tuple[Task, str]]) -> bool:
    return bool(layers) and layers[-1][1] == VARIABLES


def _layers(task: Task) -> Iterator[tuple[Task, str]]:
    """Who holds variables, from `task` itself outwards, up to the call activity or to the process instance."""
    if LOCALS in task.internal_data:
        yield task, LOCALS
    place = container_of(task)
    while place is not None:
        if VARIABLES in place.internal_data:
            yield place, VARIABLES
            return
        if LOCALS in place.internal_data:
            yield place, LOCALS
        place = container_of(place)
