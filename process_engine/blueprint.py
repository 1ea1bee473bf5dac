"""Builds the SpiffWorkflow specification of a graph."""

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec

from process_engine.gateways import ExclusiveGateway, Exit, InclusiveGateway, ParallelGateway
from process_engine.graph import Flow, Node, Scope
from process_engine.nodes import Node as NodeSpec
from process_engine.nodes import PassThrough, SubProcess, Work
from process_engine.vocabulary import PASSED_THROUGH, SUBPROCESS, WORK

Subprocesses = dict[str, BpmnProcessSpec]
"""Sub-process id -> specification, of all sub-processes at any depth."""

_GATEWAYS = {
    "exclusiveGateway": ExclusiveGateway,
    "inclusiveGateway": InclusiveGateway,
    "parallelGateway": ParallelGateway,
}


def build(graph: Scope) -> tuple[BpmnProcessSpec, Subprocesses]:
    """Build what a BpmnWorkflow of this graph needs: the specification of the process and of its sub-processes."""
    subprocesses: Subprocesses = {}
    return _build_scope(graph, subprocesses), subprocesses


def _build_scope(scope: Scope, subprocesses: Subprocesses) -> BpmnProcessSpec:
    process = BpmnProcessSpec(name=scope["id"])
    specs = {node["id"]: _build_node(node, process) for node in scope["nodes"]}
    defaults = {node["default"] for node in scope["nodes"] if "default" in node}
    for flow in scope["flows"]:
        _connect(flow, specs, is_default=flow["id"] in defaults)
    for node in scope["nodes"]:
        if node["kind"] == "startEvent":
            process.start.connect(specs[node["id"]])
        if not specs[node["id"]].outputs:
            specs[node["id"]].connect(process.end)
        if "inside" in node:
            subprocesses[node["id"]] = _build_scope(node["inside"], subprocesses)
    return process


def _build_node(node: Node, process: BpmnProcessSpec) -> NodeSpec:
    if node["kind"] in PASSED_THROUGH:
        return PassThrough(process, node["id"])
    if node["kind"] in WORK:
        return Work(process, node["id"])
    if node["kind"] == SUBPROCESS:
        return SubProcess(process, node["id"], node["id"])
    return _GATEWAYS[node["kind"]](process, node["id"])


def _connect(flow: Flow, specs: dict[str, NodeSpec], *, is_default: bool) -> None:
    source, target = specs[flow["source"]], specs[flow["target"]]
    source.connect(target)
    if isinstance(source, ExclusiveGateway | InclusiveGateway):
        source.exits.append(Exit(flow["id"], target, flow["condition"], is_default))
