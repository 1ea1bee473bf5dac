"""What belongs together in a scope without a sequence flow: links of the same name, and what undoes an activity.

A link event is a jump: it becomes a flow. A boundary event for compensation waits for nothing: it leaves the graph, and
the activity it is attached to remembers the activity that undoes it.
"""

from process_engine.reading.graph.graph import Flow, Node, Scope
from process_engine.reading.remembered import NOT_SUPPORTED, Reading
from process_engine.reading.vocabulary import SUBPROCESS
from process_engine.reading.xml_source import Element, bpmn_children, local_name


def connect_links(scope: Scope, reading: Reading) -> None:
    """Add a flow from every throwing link to the catching one of the same name; report those that have none."""
    targets: dict[str, str] = {}
    for node in _of_kind(scope, "link", "intermediateCatchEvent"):
        name = _name(node)
        if name in targets:
            reading.problems.add(reading.elements[node["id"]], f"is a second target of the link {name!r}")
        targets[name] = node["id"]
    for node in _of_kind(scope, "link", "intermediateThrowEvent"):
        element, name = reading.elements[node["id"]], _name(node)
        if name not in targets:
            reading.problems.add(element, f"has the link {name!r}, which no catching link of this scope has")
            continue
        flow_id = f"{node['id']}->{targets[name]}"
        reading.elements[flow_id] = element
        scope["flows"].append(Flow(id=flow_id, source=node["id"], target=targets[name], condition=None))


def connect_compensation(scope: Scope, element: Element, reading: Reading) -> None:
    """Take the boundary events for compensation out of `scope`, and tell their activities what undoes them."""
    nodes = {node["id"]: node for node in scope["nodes"]}
    undoes = {
        child.get("sourceRef"): child.get("targetRef", "")
        for child in bpmn_children(element)
        if local_name(child) == "association"
    }
    for boundary in _of_kind(scope, "compensate", "boundaryEvent"):
        host, handler = nodes.get(boundary.get("attached_to", "")), nodes.get(undoes.get(boundary["id"], ""))
        problem = _problem(boundary, host, handler)
        if problem:
            reading.problems.add(reading.elements[boundary["id"]], problem)
        elif host is not None and handler is not None:
            host["compensated_by"] = handler["id"]
        scope["nodes"].remove(boundary)
    handlers = {node.get("compensated_by") for node in scope["nodes"]}
    for node in scope["nodes"]:
        if node.get("for_compensation") and node["id"] not in handlers:
            reading.problems.add(
                reading.elements[node["id"]],
                "is for compensation but undoes nothing; associate it with a compensation boundary event",
            )


def _problem(boundary: Node, host: Node | None, handler: Node | None) -> str | None:
    if host is None:
        return f"is attached to {boundary.get('attached_to')!r}, which is no activity of the same scope"
    if "compensated_by" in host:
        return f"is a second compensation of {host['id']!r}; one is supported"
    if host["kind"] == SUBPROCESS and host.get("by_event"):
        return f"is attached to an event sub-process; that {NOT_SUPPORTED}"
    if handler is None or not handler.get("for_compensation"):
        return 'needs an association to an activity with isForCompensation="true", which undoes it'
    return None


def _of_kind(scope: Scope, event_kind: str, node_kind: str) -> list[Node]:
    return [
        node
        for node in scope["nodes"]
        if node["kind"] == node_kind and "event" in node and node["event"]["kind"] == event_kind
    ]


def _name(node: Node) -> str:
    return node.get("event", {}).get("name", "")
