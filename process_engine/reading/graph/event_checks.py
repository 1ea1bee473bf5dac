"""What the events of a graph must obey: boundary events, event-based gateways, event sub-processes, compensation."""

from collections import Counter

from process_engine.reading.graph.graph import Node, Scope
from process_engine.reading.remembered import Reading
from process_engine.reading.vocabulary import ACTIVITIES, CATCHING, EVENT_GATEWAY


def check_events(scope: Scope, reading: Reading) -> None:
    """Report to `reading.problems` what is wrong with the events of one scope; not of those inside it."""
    nodes = {node["id"]: node for node in scope["nodes"]}
    for node in scope["nodes"]:
        if node["kind"] == "boundaryEvent":
            _check_boundary(node, nodes, scope, reading)
        if node["kind"] == EVENT_GATEWAY:
            _check_event_gateway(node, nodes, scope, reading)
        if not _may_have_flows(node):
            _check_no_flows(node, scope, reading)
        if "event" in node and node["event"]["kind"] == "compensate":
            _check_compensated(node, reading)


def begins_by_itself(node: Node) -> bool:
    """Whether tokens come to a node without a flow: to start events, event sub-processes, and what compensates."""
    return node["kind"] == "startEvent" or not _may_have_flows(node)


def boundaries_of(scope: Scope, node_id: str) -> set[str]:
    """The ids of the boundary events that are attached to a node."""
    return {node["id"] for node in scope["nodes"] if node.get("attached_to") == node_id}


def _may_have_flows(node: Node) -> bool:
    return not node.get("by_event") and not node.get("for_compensation")


def _check_boundary(node: Node, nodes: dict[str, Node], scope: Scope, reading: Reading) -> None:
    for flow in scope["flows"]:
        if flow["target"] == node["id"]:
            reading.problems.add(reading.elements[flow["id"]], f"leads into the boundary event {node['id']!r}")
    host_id = node.get("attached_to", "")
    host = nodes.get(host_id)
    element = reading.elements[node["id"]]
    if host_id in reading.refused:
        return
    if host is None or host["kind"] not in ACTIVITIES or not _may_have_flows(host):
        reading.problems.add(element, f"is attached to {host_id!r}, which is no activity of the same scope")


def _check_event_gateway(node: Node, nodes: dict[str, Node], scope: Scope, reading: Reading) -> None:
    element = reading.elements[node["id"]]
    targets = [flow["target"] for flow in scope["flows"] if flow["source"] == node["id"]]
    if len(targets) < 2:  # one event alone needs no gateway
        reading.problems.add(element, "waits for fewer than two events; add some or leave the gateway out")
    incoming = Counter(flow["target"] for flow in scope["flows"])
    for target in targets:
        following = nodes.get(target)
        if following is None:
            continue
        if following["kind"] not in CATCHING or following.get("event", {}).get("kind") == "link":
            reading.problems.add(element, f"leads to {target!r}, which is no catching event and no receive task")
        elif incoming[target] > 1:
            reading.problems.add(
                reading.elements[target], f"follows the gateway {node['id']!r} and must have no other incoming flow"
            )
        elif boundaries_of(scope, target):
            reading.problems.add(
                reading.elements[target], f"follows the gateway {node['id']!r} and must have no boundary events"
            )


def _check_no_flows(node: Node, scope: Scope, reading: Reading) -> None:
    what = "is an event sub-process" if node.get("by_event") else "is for compensation"
    for flow in scope["flows"]:
        if node["id"] in (flow["source"], flow["target"]):
            reading.problems.add(reading.elements[node["id"]], f"{what} and has the flow {flow['id']!r}; remove that")
    if node.get("by_event") and node.get("for_compensation"):
        reading.problems.add(reading.elements[node["id"]], f"{what} and cannot compensate; use an activity")


def _check_compensated(node: Node, reading: Reading) -> None:
    activity = node.get("event", {}).get("activity")
    if activity is not None and activity not in reading.elements:
        reading.problems.add(
            reading.elements[node["id"]], f"has the activityRef {activity!r}, which the process does not have"
        )
