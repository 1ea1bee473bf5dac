"""A process as a graph of nodes and flows, in plain JSON: the part of a stored definition that says where tokens go.

The graph is ours and not SpiffWorkflow's serialisation, so a definition that was deployed years ago still runs after
the library changed its format.
"""

from typing import Literal, NotRequired, TypedDict

from process_engine.values.timers import TimerType
from process_engine.values.variables import Mapping


class Flow(TypedDict):
    """A sequence flow. `condition` is CEL, or None."""

    id: str
    source: str
    target: str
    condition: str | None


EventKind = Literal["timer", "message", "signal", "error", "escalation", "compensate", "terminate", "link"]


class Event(TypedDict):
    """What an event catches or throws.

    `name` is the name of a message, signal or link, or the code of an error or escalation (absent: any). Names of
    messages and signals, `correlation_key` and `timer_text` are literal text, or CEL when they start with `=`.
    `activity` is the one activity that a compensation is about. `mappings` are the outputs of what catches and the
    inputs of what throws.
    """

    kind: EventKind
    name: NotRequired[str]
    correlation_key: NotRequired[str]
    timer_type: NotRequired[TimerType]
    timer_text: NotRequired[str]
    activity: NotRequired[str]
    mappings: list[Mapping]


class Node(TypedDict):
    """An event, activity or gateway.

    `kind` is the BPMN element name, such as "userTask". `default` is the id of the default flow of a gateway. `inside`
    is the content of a subProcess; `by_event` marks an event sub-process. `attached_to` is the activity of a boundary
    event; `interrupting` says whether a boundary event, or the start of an event sub-process, ends what it interrupts.
    `compensated_by` is the activity that undoes this one, which `for_compensation` marks.
    """

    id: str
    kind: str
    default: NotRequired[str]
    inside: NotRequired["Scope"]
    event: NotRequired[Event]
    by_event: NotRequired[bool]
    attached_to: NotRequired[str]
    interrupting: NotRequired[bool]
    compensated_by: NotRequired[str]
    for_compensation: NotRequired[bool]


class Scope(TypedDict):
    """A process or sub-process: what its tokens can visit, in the order of the file. `id` is that of its element."""

    id: str
    nodes: list[Node]
    flows: list[Flow]


def beginnings(scope: Scope) -> list[str]:
    """The ids of the nodes of an ad-hoc sub-process that it may begin with: those that no flow or event leads to."""
    led_to = {flow["target"] for flow in scope["flows"]}
    return [
        node["id"]
        for node in scope["nodes"]
        if node["id"] not in led_to
        and not ("attached_to" in node or node.get("by_event") or node.get("for_compensation"))
        and node["kind"] not in ("startEvent", "endEvent")
    ]
