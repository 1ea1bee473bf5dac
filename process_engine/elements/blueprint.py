"""Builds the SpiffWorkflow specification of a definition."""

from collections import OrderedDict
from typing import cast

from SpiffWorkflow.bpmn.specs.bpmn_process_spec import BpmnProcessSpec

from process_engine.elements.ad_hoc import AdHocSubProcess
from process_engine.elements.calling import CallActivity, Called
from process_engine.elements.computing import BusinessRuleTask, ScriptTask
from process_engine.elements.containers import SubProcess
from process_engine.elements.event_nodes import attach_events, event_node
from process_engine.elements.events import EventGateway, EventSubProcess
from process_engine.elements.gateways import ExclusiveGateway, Exit, InclusiveGateway, ParallelGateway
from process_engine.elements.nodes import Node as NodeSpec
from process_engine.elements.nodes import PassThrough, ScopeSpec, Work, spec_name
from process_engine.elements.repeating import Repeated
from process_engine.reading.definition import Spec
from process_engine.reading.graph.graph import Flow, Node, Scope, beginnings
from process_engine.reading.settings.activities import Activity
from process_engine.reading.vocabulary import EVENT_GATEWAY
from process_engine.values.library import Deployed

Insides = dict[object, BpmnProcessSpec]
"""What runs inside the containers, at any depth, by the key that the container's specification has."""

_MOST_BUILT = 256
_built: OrderedDict[tuple[int, object], tuple[Spec, BpmnProcessSpec, Insides]] = OrderedDict()

_GATEWAYS = {
    "exclusiveGateway": ExclusiveGateway,
    "inclusiveGateway": InclusiveGateway,
    "parallelGateway": ParallelGateway,
    EVENT_GATEWAY: EventGateway,
}


def build(definition: Spec) -> tuple[BpmnProcessSpec, Insides]:
    """Build what a BpmnWorkflow of this definition needs: the specification of the process and of its containers.

    The definition must not change any more: what was built of it is kept, as building takes up to half of a step.
    """
    return _kept(definition, None)


def build_called(called: Called, deployed: Deployed) -> Insides:
    """What an instance needs besides, when it calls this version of a process."""
    key = called["id"], called["version"]
    process, insides = _kept(cast(Spec, deployed.spec), key)
    return {**insides, key: process}


def _kept(definition: Spec, process: object) -> tuple[BpmnProcessSpec, Insides]:
    place = id(definition), process  # the definition is kept beside, so that nothing else gets its id
    if place not in _built:
        builder = _Builder(definition, process)
        _built[place] = definition, builder.scope(definition["graph"]), builder.insides
        if len(_built) > _MOST_BUILT:
            _built.popitem(last=False)
    _built.move_to_end(place)
    _, built, insides = _built[place]
    return built, dict(insides)


class _Builder:
    """Builds one definition; `process` tells its keys from those of the others in the instance."""

    def __init__(self, definition: Spec, process: object) -> None:
        self._process = process
        self._work = definition["work"]
        self._activities = definition.get("activities", {})
        self.insides: Insides = {}

    def scope(self, scope: Scope) -> ScopeSpec:
        process = ScopeSpec(name=scope["id"])
        specs = {node["id"]: self._node(node, process) for node in scope["nodes"]}
        attach_events(scope, specs, process)
        defaults = {node["default"] for node in scope["nodes"] if "default" in node}
        for flow in scope["flows"]:
            _connect(flow, specs, is_default=flow["id"] in defaults)
        for node in scope["nodes"]:
            if node["kind"] == "startEvent" and ("event" not in node or "interrupting" in node):
                process.start.connect(specs[node["id"]])
            if not specs[node["id"]].outputs:
                specs[node["id"]].connect(process.end)
        return process

    def _node(self, node: Node, process: ScopeSpec) -> NodeSpec:
        loop = self._activities.get(node["id"], {}).get("loop")
        if loop is None:
            return self._once(node, process)
        inside = ScopeSpec(name=node["id"])
        key = (self._process, node["id"], "instances")
        self.insides[key] = inside
        repeated = Repeated(process, node["id"], key, loop)
        instance = self._once(node, inside)
        inside.start.connect(instance)
        instance.when_done = repeated.one_ended
        return repeated

    def _once(self, node: Node, process: ScopeSpec) -> NodeSpec:
        """The specification of a node, whatever its loop marker says."""
        node_id, kind = node["id"], node["kind"]
        settings = self._activities.get(node_id, Activity())
        if node_id in self._work:
            return Work(process, node_id, self._work[node_id])
        if "inside" in node:
            key = (self._process, node_id)
            self.insides[key] = self.scope(node["inside"])
            if "ad_hoc" in settings:
                return self._ad_hoc(
                    node["inside"], AdHocSubProcess(process, node_id, key, settings, settings["ad_hoc"])
                )
            kind_of_sub_process = EventSubProcess if node.get("by_event") else SubProcess
            return kind_of_sub_process(process, node_id, key, settings)
        if kind in _GATEWAYS:
            return _GATEWAYS[kind](process, node_id)
        return event_node(node, process) or _activity(process, node_id, settings) or PassThrough(process, node_id)

    def _ad_hoc(self, inside: Scope, node: AdHocSubProcess) -> NodeSpec:
        scope = self.insides[node.inside_key]
        for one in inside["nodes"]:
            spec = cast(NodeSpec, scope.task_specs[spec_name(one["id"])])
            spec.when_done = node.one_ended
            if one["id"] in beginnings(inside):
                scope.start.connect(spec)
        return node


def _activity(process: ScopeSpec, node_id: str, settings: Activity) -> NodeSpec | None:
    """The specification of an activity that does something of its own, by its settings."""
    if "call" in settings:
        return CallActivity(process, node_id, settings, settings["call"], build_called)
    if "script" in settings:
        return ScriptTask(process, node_id, settings, settings["script"])
    if "question" in settings:
        return BusinessRuleTask(process, node_id, settings, settings["question"])
    return None


def _connect(flow: Flow, specs: dict[str, NodeSpec], *, is_default: bool) -> None:
    source, target = specs[flow["source"]], specs[flow["target"]]
    source.connect(target)
    if isinstance(source, ExclusiveGateway | InclusiveGateway):
        source.exits.append(Exit(flow["id"], target, flow["condition"], is_default))
