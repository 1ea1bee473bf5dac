"""What a graph must obey before it can run: one start, flows that lead somewhere, choices that are clear."""

from collections import Counter, defaultdict
from typing import Literal

from process_engine.reading.graph.event_checks import begins_by_itself, boundaries_of, check_events
from process_engine.reading.graph.graph import Flow, Node, Scope, beginnings
from process_engine.reading.remembered import Reading
from process_engine.reading.vocabulary import AD_HOC, CHOOSING, JOINING
from process_engine.reading.xml_source import Element, label, local_name

End = Literal["source", "target"]
_ENDS: tuple[End, End] = ("source", "target")


def check_graph(scope: Scope, owner: Element, reading: Reading) -> None:
    """Report every structural problem of a scope and of the sub-processes in it to `reading.problems`.

    Args:
        scope: the graph.
        owner: the process or subProcess element the scope was read from.
        reading: what `read_graph` returned with the graph.
    """
    if local_name(owner) == AD_HOC:
        _check_ad_hoc(scope, owner, reading)
    else:
        _check_start(scope, owner, reading)
    _check_connected(scope, reading)
    check_events(scope, reading)
    incoming, outgoing = _by(scope["flows"], "target"), _by(scope["flows"], "source")
    for node in scope["nodes"]:
        _check_ends(node, incoming[node["id"]], outgoing[node["id"]], reading)
        _check_choice(node, outgoing[node["id"]], reading)
        _check_join(node, incoming[node["id"]], reading)
        if "inside" in node:
            check_graph(node["inside"], reading.elements[node["id"]], reading)
    _check_reachable(scope, outgoing, reading, set(beginnings(scope)) if local_name(owner) == AD_HOC else set())


def _check_ad_hoc(scope: Scope, owner: Element, reading: Reading) -> None:
    for node in scope["nodes"]:
        if node["kind"] in ("startEvent", "endEvent"):
            reading.problems.add(
                reading.elements[node["id"]], "is inside an ad-hoc sub-process, which has none; delete it"
            )
    if not beginnings(scope):
        reading.problems.add(owner, "has no activity to begin with: one that no flow leads to")


def _by(flows: list[Flow], end: End) -> defaultdict[str, list[Flow]]:
    """The flows grouped by one of their ends."""
    grouped: defaultdict[str, list[Flow]] = defaultdict(list)
    for flow in flows:
        grouped[flow[end]].append(flow)
    return grouped


def _check_start(scope: Scope, owner: Element, reading: Reading) -> None:
    all_starts = [node for node in scope["nodes"] if node["kind"] == "startEvent"]
    in_process = local_name(owner) == "process"
    starts = [node for node in all_starts if "event" not in node or not in_process]
    if not all_starts and scope["id"] not in reading.start_refused_in:
        reading.problems.add(owner, "has no start event; add one")
    for start in starts[1:]:
        first = reading.elements[starts[0]["id"]]
        reading.problems.add(
            reading.elements[start["id"]],
            f"is a second start event beside {label(first)}; only one without a trigger is supported",
        )


def _check_connected(scope: Scope, reading: Reading) -> None:
    here = {node["id"] for node in scope["nodes"]}
    for flow in scope["flows"]:
        for end in _ENDS:
            if flow[end] not in here and flow[end] not in reading.refused:
                _report_bad_end(flow, end, reading)


def _report_bad_end(flow: Flow, end: End, reading: Reading) -> None:
    element, end_id = reading.elements[flow["id"]], flow[end]
    if not end_id:
        reading.problems.add(element, f"has no {end}Ref: connect it or delete it")
    elif end_id not in reading.elements:
        reading.problems.add(element, f"has the {end} {end_id!r}, which does not exist or cannot have sequence flows")
    else:
        reading.problems.add(element, f"has the {end} {end_id!r}, which is not in the same process or sub-process")


def _check_ends(node: Node, incoming: list[Flow], outgoing: list[Flow], reading: Reading) -> None:
    if node["kind"] == "startEvent":
        for flow in incoming:
            reading.problems.add(reading.elements[flow["id"]], f"leads into the start event {node['id']!r}")
    if node["kind"] == "endEvent":
        for flow in outgoing:
            reading.problems.add(reading.elements[flow["id"]], f"leaves the end event {node['id']!r}")


def _check_choice(node: Node, outgoing: list[Flow], reading: Reading) -> None:
    default = node.get("default")
    if default is not None and default not in {flow["id"] for flow in outgoing}:
        reading.problems.add(
            reading.elements[node["id"]], f"has the default {default!r}, which is not a flow that leaves it"
        )
    for flow in outgoing:
        element = reading.elements[flow["id"]]
        conditional = flow["condition"] is not None
        if conditional and node["kind"] not in CHOOSING:
            reading.problems.add(
                element,
                f"has a condition but leaves the {node['kind']} {node['id']!r}; put an exclusive gateway between",
            )
        elif conditional and flow["id"] == default:
            reading.problems.add(element, f"is the default of {node['id']!r}: its condition never counts, remove it")
        elif not conditional and flow["id"] != default and node["kind"] in CHOOSING and len(outgoing) > 1:
            reading.problems.add(
                element, f"leaves the gateway {node['id']!r} without a condition; add one or make it the default flow"
            )


def _check_join(node: Node, incoming: list[Flow], reading: Reading) -> None:
    if node["kind"] not in JOINING:
        return
    for source, count in Counter(flow["source"] for flow in incoming).items():
        if count > 1:
            reading.problems.add(
                reading.elements[node["id"]],
                f"is reached from {source!r} by {count} flows; a join needs one per source",
            )


def _check_reachable(scope: Scope, outgoing: defaultdict[str, list[Flow]], reading: Reading, chosen: set[str]) -> None:
    """Report nodes no token can reach. What only a refused element leads to is that element's fault."""
    here = {node["id"] for node in scope["nodes"]}
    reached = {node["id"] for node in scope["nodes"] if begins_by_itself(node)} | chosen
    reached |= {flow["target"] for flow in scope["flows"] if flow["source"] in reading.refused} & here
    if not reached:
        return
    frontier = list(reached)
    while frontier:
        node_id = frontier.pop()
        new = {flow["target"] for flow in outgoing[node_id]} | boundaries_of(scope, node_id)
        new -= reached
        reached |= new
        frontier.extend(new)
    for node in scope["nodes"]:
        if node["id"] not in reached:
            reading.problems.add(
                reading.elements[node["id"]], "cannot be reached from the start event; connect it or delete it"
            )
