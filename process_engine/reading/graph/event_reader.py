"""Reads what an event catches or throws out of its XML: its event definition and what that refers to."""

from collections.abc import Callable

from process_engine.reading.graph.graph import Event, EventKind
from process_engine.reading.remembered import NOT_SUPPORTED
from process_engine.reading.settings.extensions import Extensions, read_extensions
from process_engine.reading.settings.mappings import check_expression, read_mappings
from process_engine.reading.vocabulary import BPMN
from process_engine.reading.xml_source import Element, Problems, bpmn_children, local_name
from process_engine.values import expressions
from process_engine.values.timers import TimerType, schedule

_KINDS: dict[str, EventKind] = {
    "timerEventDefinition": "timer",
    "messageEventDefinition": "message",
    "signalEventDefinition": "signal",
    "errorEventDefinition": "error",
    "escalationEventDefinition": "escalation",
    "compensateEventDefinition": "compensate",
    "terminateEventDefinition": "terminate",
    "linkEventDefinition": "link",
}
_TIMER_TYPES: dict[str, TimerType] = {"timeDate": "date", "timeDuration": "duration", "timeCycle": "cycle"}

_START_OF_PROCESS = "the start event of a process"
_START_OF_EVENT_SUBPROCESS = "the start event of an event sub-process"
_START_OF_SUBPROCESS = "the start event of a sub-process"
_FROM_OUTSIDE = frozenset({"timer", "message", "signal"})
_ALLOWED: dict[str, frozenset[str]] = {
    _START_OF_PROCESS: _FROM_OUTSIDE,
    _START_OF_EVENT_SUBPROCESS: _FROM_OUTSIDE | {"error", "escalation"},
    _START_OF_SUBPROCESS: frozenset(),
    "intermediateCatchEvent": _FROM_OUTSIDE | {"link"},
    "boundaryEvent": _FROM_OUTSIDE | {"error", "escalation", "compensate"},
    "intermediateThrowEvent": frozenset({"message", "signal", "escalation", "compensate", "link"}),
    "endEvent": frozenset({"message", "signal", "error", "escalation", "compensate", "terminate"}),
}
_MUST_HAVE_ONE = frozenset({"intermediateCatchEvent", "boundaryEvent"})
_ALWAYS_INTERRUPT = frozenset({"error"})


def read_event(element: Element, problems: Problems) -> Event | None:
    """What an event element, a receiveTask or a sendTask catches or throws.

    Returns:
        None for an event without a trigger, for a sendTask that is work for an agent, and where the element cannot be
        run, which was reported to `problems` then.
    """
    if local_name(element) in ("receiveTask", "sendTask"):
        return _read_message_task(element, problems)
    place = place_of(element)
    definitions = [child for child in bpmn_children(element) if local_name(child) in _KINDS]
    if len(definitions) > 1:
        problems.add(element, f"has {len(definitions)} event definitions; exactly one is supported", at=definitions[1])
    elif definitions:
        return _read_definition(element, place, definitions[0], problems)
    elif place in _MUST_HAVE_ONE | {_START_OF_EVENT_SUBPROCESS}:
        problems.add(element, "has no event definition: say what it waits for")
    else:
        read_extensions(element, frozenset(), problems)
    return None


def place_of(element: Element) -> str:
    """Where an event stands, in words; for all but start events it is the name of the element."""
    if local_name(element) != "startEvent":
        return local_name(element)
    parent = element.getparent()
    if parent is None or local_name(parent) == "process":
        return _START_OF_PROCESS
    by_event = parent.get("triggeredByEvent") in ("true", "1")
    return _START_OF_EVENT_SUBPROCESS if by_event else _START_OF_SUBPROCESS


def is_interrupting(element: Element) -> bool:
    """Whether a boundary event, or the start of an event sub-process, ends what it interrupts; it does by default."""
    name = "cancelActivity" if local_name(element) == "boundaryEvent" else "isInterrupting"
    return element.get(name, "true") in ("true", "1")


def _read_definition(element: Element, place: str, definition: Element, problems: Problems) -> Event | None:
    name = local_name(definition)
    kind = _KINDS[name]
    if kind not in _ALLOWED[place]:
        where = f" at {place}" if place.startswith("the ") else ""
        problems.add(element, f"with {name}{where} {NOT_SUPPORTED}", at=definition)
        return None
    if kind in _ALWAYS_INTERRUPT and element.get("id") and not is_interrupting(element):
        problems.add(element, f"catches an {kind} without interrupting; an {kind} always interrupts")
    settings = read_extensions(element, frozenset({"ioMapping"}), problems)
    catches = local_name(element) not in ("intermediateThrowEvent", "endEvent")
    mappings = read_mappings(settings, "output" if catches else "input")
    event = Event(kind=kind, mappings=mappings)
    _READERS[kind](event, settings, definition)
    if kind == "message" and catches and place != _START_OF_PROCESS:
        _require_correlation_key(event, settings, definition)
    if kind == "timer":
        _check_cycle(event, element, place, settings, definition)
    return event


def _read_message_task(element: Element, problems: Problems) -> Event | None:
    receives = local_name(element) == "receiveTask"
    if not receives and not element.get("messageRef"):
        return None
    settings = read_extensions(element, frozenset({"ioMapping"}), problems)
    event = Event(kind="message", mappings=read_mappings(settings, "output" if receives else "input"))
    _read_message(event, settings, element)
    if receives:
        _require_correlation_key(event, settings, element)
    return event


def _read_timer(event: Event, settings: Extensions, definition: Element) -> None:
    parts = [child for child in bpmn_children(definition) if local_name(child) in _TIMER_TYPES]
    if len(parts) != 1:
        settings.complain("has a timer without exactly one of timeDate, timeDuration and timeCycle", at=definition)
        return
    event["timer_type"] = kind = _TIMER_TYPES[local_name(parts[0])]
    event["timer_text"] = text = "".join(parts[0].itertext()).strip()
    if expressions.is_expression(text):
        check_expression(settings, text, parts[0])
        return
    try:
        schedule(kind, text)
    except ValueError as error:
        settings.complain(f"has a timer that cannot be read: {error}", at=parts[0])


def _check_cycle(event: Event, element: Element, place: str, settings: Extensions, definition: Element) -> None:
    if event.get("timer_type") != "cycle" or place == _START_OF_PROCESS:
        return
    if place == "intermediateCatchEvent" or is_interrupting(element):
        settings.complain("has a timeCycle but happens only once; write a timeDuration or timeDate", at=definition)


def _read_message(event: Event, settings: Extensions, definition: Element) -> None:
    message = _referred(settings, definition, "message")
    if message is None:
        return
    _read_name(event, settings, message, "name")
    subscription = read_extensions(message, frozenset({"subscription"}), settings.problems).parts.get("subscription")
    key = None if subscription is None else subscription.get("correlationKey")
    if key:
        check_expression(settings, key, subscription)
        event["correlation_key"] = key if expressions.is_expression(key) else f"={key}"


def _require_correlation_key(event: Event, settings: Extensions, definition: Element) -> None:
    if "name" in event and "correlation_key" not in event:
        settings.complain(
            f"waits for the message {event['name']!r}, which has no correlation key; "
            'add zeebe:subscription correlationKey="=..." to the message',
            at=definition,
        )


def _read_signal(event: Event, settings: Extensions, definition: Element) -> None:
    signal = _referred(settings, definition, "signal")
    if signal is not None:
        read_extensions(signal, frozenset(), settings.problems)
        _read_name(event, settings, signal, "name")


def _read_error(event: Event, settings: Extensions, definition: Element) -> None:
    _read_code(event, settings, definition, "error")


def _read_escalation(event: Event, settings: Extensions, definition: Element) -> None:
    _read_code(event, settings, definition, "escalation")


def _read_code(event: Event, settings: Extensions, definition: Element, what: str) -> None:
    catches = local_name(settings.element) in ("boundaryEvent", "startEvent")
    if catches and not definition.get(f"{what}Ref"):
        return  # it catches any
    found = _referred(settings, definition, what)
    if found is None:
        return
    code = found.get(f"{what}Code")
    if code and expressions.is_expression(code):
        settings.complain(f"refers to the {what}Code {code!r}; it is literal text and not an expression", at=found)
    if code:
        event["name"] = code
    elif not catches:
        settings.complain(f"throws an {what} without an {what}Code; give it one", at=found)


def _read_compensation(event: Event, settings: Extensions, definition: Element) -> None:
    if definition.get("waitForCompletion", "true") not in ("true", "1"):
        settings.complain(f'with waitForCompletion="false" {NOT_SUPPORTED}', at=definition)
    activity = definition.get("activityRef")
    if activity:
        event["activity"] = activity


def _read_link(event: Event, settings: Extensions, definition: Element) -> None:
    name = definition.get("name")
    if name:
        event["name"] = name
    else:
        settings.complain("is a link without a name; links with the same name belong together", at=definition)


def _read_nothing(event: Event, settings: Extensions, definition: Element) -> None:
    """Termination has nothing to say."""


_READERS: dict[EventKind, Callable[[Event, Extensions, Element], None]] = {
    "timer": _read_timer,
    "message": _read_message,
    "signal": _read_signal,
    "error": _read_error,
    "escalation": _read_escalation,
    "compensate": _read_compensation,
    "terminate": _read_nothing,
    "link": _read_link,
}


def _read_name(event: Event, settings: Extensions, holder: Element, attribute: str) -> None:
    name = holder.get(attribute)
    if not name:
        settings.complain(f"refers to a {local_name(holder)} without a {attribute}; give it one", at=holder)
        return
    if expressions.is_expression(name):
        check_expression(settings, name, holder)
    event["name"] = name


def _referred(settings: Extensions, definition: Element, kind: str) -> Element | None:
    """The element of the file that `definition` refers to with its attribute such as messageRef."""
    reference = definition.get(f"{kind}Ref")
    if not reference:
        settings.complain(f"has no {kind}Ref; choose the {kind} it is about", at=definition)
        return None
    local = reference.rpartition(":")[2]
    for candidate in _root(definition).iterfind(f"{{{BPMN}}}{kind}"):
        if candidate.get("id") in (reference, local):
            return candidate
    settings.complain(f"has the {kind}Ref {reference!r}, which the file does not have", at=definition)
    return None


def _root(element: Element) -> Element:
    parent = element.getparent()
    return element if parent is None else _root(parent)
