"""Builds the SpiffWorkflow specifications of events, and ties them to what they belong to."""

from collections.abc import Mapping

from process_engine.elements.compensation import ThrowCompensation
from process_engine.elements.events import Boundary, Catch, EventSubProcess
from process_engine.elements.nodes import Node as NodeSpec
from process_engine.elements.nodes import PassThrough, ScopeSpec
from process_engine.elements.throwing import Terminate, ThrowInside, ThrowOutside
from process_engine.reading.graph.graph import Node, Scope
from process_engine.reading.vocabulary import CATCHING

_THROWS = {
    "message": ThrowOutside,
    "signal": ThrowOutside,
    "error": ThrowInside,
    "escalation": ThrowInside,
    "compensate": ThrowCompensation,
    "terminate": Terminate,
}


def event_node(node: Node, process: ScopeSpec) -> NodeSpec | None:
    """The specification of an event, receive task or send task; None where `node` is none or is passed through."""
    if "event" not in node or node["kind"] == "startEvent":
        return None
    event = node["event"]
    if event["kind"] == "link":
        return PassThrough(process, node["id"])
    if node["kind"] == "boundaryEvent":
        return Boundary(process, node["id"], event, node.get("interrupting", True))
    if node["kind"] in CATCHING:
        return Catch(process, node["id"], event)
    return _THROWS[event["kind"]](process, node["id"], event)


def attach_events(scope: Scope, specs: Mapping[str, NodeSpec], process: ScopeSpec) -> None:
    """Make boundary events, compensation and event sub-processes of a scope known to what they belong to."""
    for node in scope["nodes"]:
        spec = specs[node["id"]]
        spec.compensated_by = node.get("compensated_by")
        if "attached_to" in node:
            specs[node["attached_to"]].boundaries.append(spec)
        if isinstance(spec, EventSubProcess) and "inside" in node:
            start = next(inner for inner in node["inside"]["nodes"] if "event" in inner and "interrupting" in inner)
            spec.start_id, spec.event = start["id"], start["event"]
            spec.interrupting = start["interrupting"]
            process.event_subprocesses.append(spec)
