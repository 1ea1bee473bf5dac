"""Plans the BPMN file: which nodes and flows it has, and what each is.

What the engine does not run becomes a person's task, or is left out where nothing can stand for it (a boundary event,
what only it leads to). Either way it is a finding.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from importing.process_gpt.branches import Branch, Fork, choose, is_conditional, take_all
from importing.process_gpt.calls import call_settings, called_definition
from importing.process_gpt.each import Each, each_settings, read_each, told_each
from importing.process_gpt.findings import Outcome
from importing.process_gpt.identifiers import Identifiers
from importing.process_gpt.model import Flow, ImportRefused, Node, Scope
from importing.process_gpt.tasks import TaskSettings, Workshop, by_hand, task_settings
from process_engine.reading.vocabulary import CALL, CHOOSING, JOINING, SUBPROCESS, WORK

GATEWAYS = CHOOSING | JOINING

_KIND_NAMES = {
    "scriptTask": "A script task",
    "callActivity": "A call activity",
    "adHocSubProcess": "An ad-hoc sub-process",
    "businessRuleTask": "A business rule task",
    "sendTask": "A send task",
    "receiveTask": "A receive task",
}


@dataclass(frozen=True)
class Element:
    """A node of the BPMN file. `inside` is the content of a sub-process and `each` for what it runs again and again;
    `default` is the default flow of a gateway.
    """

    id: str
    kind: str
    name: str = ""
    note: str = ""
    settings: TaskSettings | None = None
    default: str = ""
    inside: "Plan | None" = None
    each: Each | None = None


@dataclass(frozen=True)
class Line:
    """A sequence flow of the BPMN file. `condition` is CEL with its `=`, "" for none."""

    id: str
    source: str
    target: str
    name: str = ""
    condition: str = ""
    note: str = ""


@dataclass
class Plan:
    """The content of a process or sub-process in the order in which it is written."""

    id: str
    elements: list[Element] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


def plan_scope(scope: Scope, shop: Workshop, ids: Identifiers) -> Plan:
    """Plan a process or sub-process. Raises ImportRefused where it holds nothing that could run."""
    plan = Plan(scope.id)
    flows = _leaving(scope, shop)
    for node in _kept(scope, shop):
        _add_node(node, flows[node.id], plan, shop, ids)
    _ensure_start(plan, scope, shop, ids)
    _leave_out_unreached(plan, shop)
    return plan


def _kept(scope: Scope, shop: Workshop) -> Iterator[Node]:
    boundary = _boundary_events(scope)
    starts = [node for node in scope.nodes.values() if _is_start(node)]
    for node in scope.nodes.values():
        if node.id in boundary:
            said = "A boundary event, which is left out with what only it leads to."
            shop.findings.add(Outcome.LEFT_OUT, node.id, said, f"{node.kind} {node.name}".strip())
        elif _is_start(node) and node is not starts[0]:
            shop.findings.add(Outcome.LEFT_OUT, node.id, f"A second start event beside {starts[0].id}.", node.name)
        else:
            yield node


def _boundary_events(scope: Scope) -> set[str]:
    attached = {event for node in scope.nodes.values() for event in node.texts("attachedEvents")}
    return {
        node.id
        for node in scope.nodes.values()
        if "boundary" in node.kind.lower() or str(node.raw.get("id")) in attached
    }


def _is_start(node: Node) -> bool:
    return "startevent" in node.kind.lower()


def _leaving(scope: Scope, shop: Workshop) -> defaultdict[str, list[Flow]]:
    """The flows by the node they leave, without those that lead nowhere."""
    leaving: defaultdict[str, list[Flow]] = defaultdict(list)
    boundary = _boundary_events(scope)
    for flow in scope.flows.values():
        source, target = scope.nodes.get(flow.source), scope.nodes.get(flow.target)
        if flow.source in boundary:
            shop.findings.add(Outcome.LEFT_OUT, flow.id, f"Leaves the boundary event {flow.source}.", flow.name)
        elif source is None or target is None:
            missing = flow.source if source is None else flow.target
            shop.findings.add(
                Outcome.LEFT_OUT,
                flow.id,
                f"Its end {missing!r} is not in {scope.id}, or in another sub-process.",
                flow.name,
            )
        elif "endevent" in source.kind.lower() or _is_start(target):
            shop.findings.add(Outcome.LEFT_OUT, flow.id, "Leaves an end event or leads into a start event.", flow.name)
        else:
            leaving[flow.source].append(flow)
    return leaving


def _add_node(node: Node, flows: list[Flow], plan: Plan, shop: Workshop, ids: Identifiers) -> None:
    kind = _engine_kind(node, shop)
    if kind in GATEWAYS:
        chooses = kind in CHOOSING
        fork = choose(node, flows, shop.words, shop.findings) if chooses else take_all(node, flows, shop.findings)
        plan.elements.append(Element(node.id, kind, node.name, node.text("description"), default=fork.default))
        _add_lines(fork, node.id, plan)
        return
    plan.elements.append(_element(node, kind, shop, ids))
    if any(map(is_conditional, flows)):
        _add_choice(node, flows, plan, shop, ids)
    else:
        _add_lines(Fork([Branch(flow) for flow in flows]), node.id, plan)


def _engine_kind(node: Node, shop: Workshop) -> str:
    """The kind here: that of the file, or what can stand for it; by_hand for what becomes a person's task."""
    low = node.kind.lower()
    for mark, kind in (("startevent", "startEvent"), ("endevent", "endEvent")):
        if mark in low:
            trigger = node.text("trigger") or node.properties.get("eventDefinition") or node.properties.get("cron")
            if node.kind != kind or trigger:
                shop.findings.add(Outcome.CHANGED, node.id, f"Became a plain {kind}: its trigger is left out.",
                                  f"{node.kind} {trigger or ''}".strip())  # fmt: skip
            return kind
    if low.endswith("gateway") and node.kind not in GATEWAYS:
        raise ImportRefused(
            f"gateways: {node.id!r} is a {node.kind}, which cannot be run here.", "Draw it with other gateways first."
        )
    if node.kind == "task" and node.text("tool"):
        return "userTask"
    if node.kind == CALL and called_definition(node):
        return CALL
    return node.kind if node.kind in GATEWAYS | WORK | {SUBPROCESS, "manualTask", "task"} else "by_hand"


def _element(node: Node, kind: str, shop: Workshop, ids: Identifiers) -> Element:
    note = node.text("description")
    if kind == "by_hand":
        what = _KIND_NAMES.get(node.kind, f"The element {node.kind}")
        if node.inside is not None:
            for inner in node.inside.nodes.values():
                shop.findings.add(Outcome.LEFT_OUT, inner.id, f"Is in {node.id}, which became one task.", inner.name)
        return Element(node.id, "userTask", node.name or node.kind, note, by_hand(node, what, node.id, shop))
    if kind == SUBPROCESS:
        content = node.inside or Scope(node.id)
        inside, each = plan_scope(content, shop, ids), read_each(node, shop)
        if each is None:
            _ask_about_each(node, inside, shop, ids)
            return Element(node.id, kind, node.name, note, inside=inside)
        return Element(node.id, kind, node.name, note, each_settings(node, content, each, shop), "", inside, each)
    if kind == CALL:
        return Element(node.id, kind, node.name, note, call_settings(node, shop))
    settings = task_settings(node, node.id, shop) if kind in WORK else None
    return Element(node.id, kind, node.name, note, settings)


def _ask_about_each(node: Node, inside: Plan, shop: Workshop, ids: Identifiers) -> None:
    """A sub-process that ran once for each of something that only words say: here it runs once, behind a person's task
    that says so.
    """
    each = told_each(node)
    if not each:
        return
    start = next(element.id for element in inside.elements if element.kind == "startEvent")
    text = "; ".join(f"{key}: {value}" for key, value in each.items())
    said = "Ran once for each item. Here it runs once, behind a task that asks a person to see to the other items."
    shop.findings.add(Outcome.BY_HAND, node.id, said, text)
    asked = (
        f"In Process GPT this sub-process ran once for each item ({text}). Here it runs once: start an instance for "
        "every other item, then submit."
    )
    settings = TaskSettings(headers={"instruction": asked})
    task = Element(ids.take(f"{node.id}_each"), "userTask", f"For each: {node.name}"[:100], settings=settings)
    inside.elements.insert(1, task)
    for place, line in enumerate(inside.lines):
        if line.source == start:
            inside.lines[place] = Line(line.id, task.id, line.target, line.name, line.condition, line.note)
    inside.lines.insert(0, Line(ids.take(f"{node.id}_each_flow"), start, task.id))


def _add_choice(node: Node, flows: list[Flow], plan: Plan, shop: Workshop, ids: Identifiers) -> None:
    """Conditional flows that leave an activity: each true one is taken (BPMN 2.0.2, 13.2.1), so does this gateway."""
    gateway = Node(ids.take(f"{node.id}_choice"), "inclusiveGateway", "", {}, {})
    chosen = choose(gateway, [flow for flow in flows if is_conditional(flow)], shop.words, shop.findings)
    always = [Branch(flow, "=true") for flow in flows if not is_conditional(flow)]
    plan.elements.append(Element(gateway.id, gateway.kind, default=chosen.default))
    plan.lines.append(Line(ids.take(f"{node.id}_to_choice"), node.id, gateway.id))
    _add_lines(Fork([*chosen.branches, *always], chosen.default), gateway.id, plan)


def _add_lines(fork: Fork, source: str, plan: Plan) -> None:
    for branch in fork.branches:
        flow = branch.flow
        plan.lines.append(Line(flow.id, source, flow.target, flow.name, branch.condition, branch.note))


def _ensure_start(plan: Plan, scope: Scope, shop: Workshop, ids: Identifiers) -> None:
    if not plan.elements:
        raise ImportRefused(f"{scope.id!r} holds no element.", "Give it a start event and an end event.")
    if any(element.kind == "startEvent" for element in plan.elements):
        return
    reached = {line.target for line in plan.lines}
    first = [element for element in plan.elements if element.id not in reached]
    if not first:
        raise ImportRefused(f"{scope.id!r} has no start event, and each of its elements follows another.", "Add one.")
    start = ids.take(f"{scope.id}_start")
    shop.findings.add(Outcome.CHANGED, scope.id, f"Had no start event: it got one before {first[0].id}.")
    plan.elements.insert(0, Element(start, "startEvent"))
    plan.lines[:0] = [Line(ids.take(f"{start}_to_{element.id}"), start, element.id) for element in first]


def _leave_out_unreached(plan: Plan, shop: Workshop) -> None:
    start = next(element.id for element in plan.elements if element.kind == "startEvent")
    reached, frontier = {start}, [start]
    while frontier:
        here = frontier.pop()
        new = {line.target for line in plan.lines if line.source == here} - reached
        reached |= new
        frontier += new
    for element in plan.elements:
        if element.id not in reached:
            shop.findings.add(Outcome.LEFT_OUT, element.id, "Nothing that is carried over leads to it.", element.name)
    plan.elements = [element for element in plan.elements if element.id in reached]
    plan.lines = [line for line in plan.lines if line.source in reached and line.target in reached]
