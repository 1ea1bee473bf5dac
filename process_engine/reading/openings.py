"""What a step says about events, in plain JSON: waits that opened and closed, messages and signals that left.

The words are those of kernel.apply_events in init.sql.
"""

from typing import Literal, NotRequired, TypedDict

from process_engine.reading.graph.graph import Event
from process_engine.values import expressions
from process_engine.values.errors import ExpressionError, StepFailed
from process_engine.values.plain_json import Json
from process_engine.values.timers import Schedule, schedule
from process_engine.values.variables import Variables


class Opening(TypedDict):
    """Something that is waited for from now on.

    `token` is absent where a process definition waits to be started. `once`: the first event ends the wait. An error is
    the failure of the token's task; `name` is its class.
    """

    token: NotRequired[str]
    element: str
    kind: Literal["timer", "message", "signal", "error"]
    once: bool
    name: NotRequired[str]
    correlation_key: NotRequired[str]
    schedule: NotRequired[Schedule]


class Leaving(TypedDict):
    """A message or signal that the instance sent. A signal does not reach the waits (token, element) in `not_to`."""

    kind: Literal["message", "signal"]
    element: str
    name: str
    correlation_key: str
    variables: dict[str, Json]
    not_to: list[tuple[str, str]]


def opening(element_id: str, event: Event, variables: Variables, *, once: bool) -> Opening:
    """What waiting for `event` means, with its expressions evaluated over `variables`.

    Raises:
        StepFailed: one of them cannot be evaluated, or gives something of no use.
    """
    kind = event["kind"]
    if kind == "timer":
        return Opening(element=element_id, kind=kind, once=once, schedule=_schedule(element_id, event, variables))
    if kind == "error":
        return Opening(element=element_id, kind=kind, once=once, name=event.get("name", ""))
    name = event_name(element_id, event, variables)
    if kind == "signal":
        return Opening(element=element_id, kind=kind, once=once, name=name)
    key = correlation_key(element_id, event, variables)
    return Opening(element=element_id, kind="message", once=once, name=name, correlation_key=key)


def event_name(element_id: str, event: Event, variables: Variables) -> str:
    """The name of a message or signal.

    Raises:
        StepFailed: its expression cannot be evaluated or does not give text.
    """
    name = _evaluated(element_id, "name", event.get("name", ""), variables)
    if not isinstance(name, str) or not name:
        raise StepFailed(element_id, f"the name of the {event['kind']} must be text; its expression gives {name!r}")
    return name


def correlation_key(element_id: str, event: Event, variables: Variables) -> str:
    """The correlation key of a message as text; empty where the message has none.

    Raises:
        StepFailed: its expression cannot be evaluated or gives neither text nor a whole number.
    """
    if "correlation_key" not in event:
        return ""
    key = _evaluated(element_id, "correlationKey", event["correlation_key"], variables)
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise StepFailed(element_id, f"the correlationKey must be text or a whole number; it is {key!r}")
    return str(key)


def _schedule(element_id: str, event: Event, variables: Variables) -> Schedule:
    try:
        text = expressions.resolve_text(event.get("timer_text", ""), variables)
        if not isinstance(text, str):
            raise ValueError(f"it must be ISO 8601 text; its expression gives {text!r}")
        return schedule(event.get("timer_type", "duration"), text)
    except (ValueError, ExpressionError) as error:
        raise StepFailed(element_id, f"the timer cannot be set: {error}") from error


def _evaluated(element_id: str, what: str, text: str, variables: Variables) -> Json:
    try:
        return expressions.resolve_text(text, variables)
    except ExpressionError as error:
        raise StepFailed(element_id, f"the {what} cannot be evaluated: {error}") from error
