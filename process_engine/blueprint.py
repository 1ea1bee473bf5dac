"""Builds the SpiffWorkflow specification of a definition."""

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec

from process_engine.containers import SubProcess
from process_engine.definition import Spec
from process_engine.gateways import ExclusiveGateway, Exit, InclusiveGateway, ParallelGateway
from process_engine.graph import Flow, Node, Scope
from process_engine.nodes import Node as NodeSpec
from process_engine.nodes import PassThrough, Work
from process_engine.repeating import Repeated

Insides = dict[object, BpmnProcessSpec]
"""What runs inside the containers, at any depth, by the key that the container's specification has."""

_GATEWAYS = {
    "exclusiveGateway": ExclusiveGateway,
    "inclusiveGateway": InclusiveGateway,
    "parallelGateway": ParallelGateway,
}


def build(definition: Spec) -> tuple[BpmnProcessSpec, Insides]:
    """Build what a BpmnWorkflow of this definition needs: the specification of the process and of its containers."""
    builder = _Builder(definition)
    return builder.scope(definition["graph"]), builder.insides


class _Builder:
    def __init__(self, definition: Spec) -> None:
        self._work = definition["work"]
        self._activities = definition.get("activities", {})
        self.insides: Insides = {}

    def scope(self, scope: Scope) -> BpmnProcessSpec:
        process = BpmnProcessSpec(name=scope["id"])
        specs = {node["id"]: self._node(node, process) for node in scope["nodes"]}
        defaults = {node["default"] for node in scope["nodes"] if "default" in node}
        for flow in scope["flows"]:
            _connect(flow, specs, is_default=flow["id"] in defaults)
        for node in scope["nodes"]:
            if node["kind"] == "startEvent":
                process.start.connect(specs[node["id"]])
            if not specs[node["id"]].outputs:
                specs[node["id"]].connect(process.end)
        return process

    def _node(self, node: Node, process: BpmnProcessSpec) -> NodeSpec:
        loop = self._activities.get(node["id"], {}).get("loop")
        if loop is None:
            return self._once(node, process)
        inside = BpmnProcessSpec(name=node["id"])
        key = ("instances of", node["id"])
        self.insides[key] = inside
        repeated = Repeated(process, node["id"], key, loop)
        instance = self._once(node, inside)
        inside.start.connect(instance)
        instance.when_done = repeated.one_ended
        return repeated

    def _once(self, node: Node, process: BpmnProcessSpec) -> NodeSpec:
        """The specification of a node, whatever its loop marker says."""
        node_id, kind = node["id"], node["kind"]
        if node_id in self._work:
            return Work(process, node_id, self._work[node_id])
        if "inside" in node:
            self.insides[node_id] = self.scope(node["inside"])
            return SubProcess(process, node_id, node_id, self._activities.get(node_id, {}))
        if kind in _GATEWAYS:
            return _GATEWAYS[kind](process, node_id)
        return PassThrough(process, node_id)


def _connect(flow: Flow, specs: dict[str, NodeSpec], *, is_default: bool) -> None:
    source, target = specs[flow["source"]], specs[flow["target"]]
    source.connect(target)
    if isinstance(source, ExclusiveGateway | InclusiveGateway):
        source.exits.append(Exit(flow["id"], target, flow["condition"], is_default))
