"""How data goes into a task and comes out of it: the variables of a process instance and the ioMapping of a task."""

from typing import NoReturn, TypedDict

from process_engine.values import expressions
from process_engine.values.errors import ExpressionError, StepFailed
from process_engine.values.plain_json import Json, plain_copy

Variables = dict[str, Json]


class Mapping(TypedDict):
    """One line of an ioMapping: the value of the expression `source` becomes the variable `target` (a dotted path)."""

    source: str
    target: str


def task_input(activity_id: str, inputs: list[Mapping], variables: Variables) -> Variables:
    """What a task gets to see: the targets of its input mappings, or a copy of all variables when it has none.

    Raises:
        StepFailed: a mapping cannot be evaluated, or its target lies inside a value that is not an object.
    """
    if not inputs:
        return plain_copy(variables, "variables")
    return _mapped(activity_id, inputs, variables, {})


def output_changes(activity_id: str, outputs: list[Mapping], variables: Variables, output: Variables) -> Variables:
    """The variables that an activity's output changes, with their new values.

    With output mappings, each is evaluated over the variables overlaid with the output, and only their targets are set;
    without, every field of the output becomes a variable (the rules of Zeebe).

    Args:
        activity_id: named in errors.
        outputs: the output mappings of the activity.
        variables: what the activity sees; not changed.
        output: its result; not changed.

    Raises:
        StepFailed: as in `task_input`.
    """
    if not outputs:
        return output
    after = _mapped(activity_id, outputs, {**variables, **output}, plain_copy(variables, "variables"))
    return {name: after[name] for name in dict.fromkeys(_first_name(mapping) for mapping in outputs)}


def _first_name(mapping: Mapping) -> str:
    return mapping["target"].partition(".")[0].strip()


def _mapped(activity_id: str, mappings: list[Mapping], seen: Variables, result: Variables) -> Variables:
    for mapping in mappings:
        try:
            value = expressions.evaluate(mapping["source"], seen)
        except ExpressionError as error:
            raise StepFailed(activity_id, f"the mapping to {mapping['target']!r} failed: {error}") from error
        _set(activity_id, result, mapping["target"], value)
    return result


def _set(activity_id: str, variables: Variables, target: str, value: Json) -> None:
    """Set `a.b.c`, making the objects on the way; null counts as absent."""
    *path, last = (part.strip() for part in target.split("."))
    place = variables
    for part in path:
        if place.get(part) is None:
            place[part] = {}
        place = place[part]
        if not isinstance(place, dict):
            _cannot_set(activity_id, target, part, place)
    place[last] = value


def _cannot_set(activity_id: str, target: str, part: str, place: Json) -> NoReturn:
    kind = type(place).__name__
    raise StepFailed(activity_id, f"the mapping to {target!r} failed: {part!r} is a {kind} and cannot hold fields")
