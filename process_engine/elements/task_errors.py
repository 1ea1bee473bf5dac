"""How whoever works on a task throws a BPMN error: with an output that has the one field `bpmn_error`.

    {"bpmn_error": {"code": "OUT_OF_STOCK", "message": "None left.", "variables": {"sku": "A-1"}}}

`code` is what catching events ask for. `message` is for people and `variables` go to the event that catches it; both
may be left out. Agents and people throw errors the same way; output schemas do not apply to such an output.
"""

from typing import Any

from process_engine.elements.throwing import Raised
from process_engine.values.errors import StepFailed
from process_engine.values.plain_json import Json

FIELD = "bpmn_error"


def throws_error(output: dict[str, Json]) -> bool:
    """Whether an output throws an error instead of completing its task."""
    return set(output) == {FIELD}


def error_of(activity_id: str, output: dict[str, Json]) -> Raised:
    """The error that an output throws.

    Raises:
        StepFailed: it does not have the form above.
    """
    error: Any = output[FIELD]
    if not isinstance(error, dict) or set(error) - {"code", "message", "variables"}:
        raise StepFailed(activity_id, f"the output's {FIELD} must be {{code, message?, variables?}}; it is {error!r}")
    code, message, variables = error.get("code"), error.get("message", ""), error.get("variables", {})
    if not isinstance(code, str) or not code:
        raise StepFailed(activity_id, f"{FIELD}.code must be text that is not empty; it is {code!r}")
    if not isinstance(message, str):
        raise StepFailed(activity_id, f"{FIELD}.message must be text; it is {message!r}")
    if not isinstance(variables, dict):
        raise StepFailed(activity_id, f"{FIELD}.variables must be an object; it is {variables!r}")
    return Raised("error", code, variables, {"code": code, "message": message})
