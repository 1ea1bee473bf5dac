"""Gives every element an id that BPMN allows: an XML name (NCName) that nothing else in the file has."""

import re
from dataclasses import replace

from importing.process_gpt.findings import Findings, Outcome
from importing.process_gpt.model import GptDefinition, Scope

_FORBIDDEN = re.compile(r"[^\w.-]|[^\S]")
_LONGEST = 200


def valid_id(wish: str) -> str:
    """`wish` as an XML name: itself where it is one."""
    name = _FORBIDDEN.sub("_", wish)[:_LONGEST]
    return name if re.match(r"[^\W\d]|_", name) else f"id_{name}"


class Identifiers:
    """Hands out ids. The same wish gives another id the second time."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wish: str) -> str:
        """`wish`, made an XML name and told apart from those taken before."""
        name = valid_id(wish)
        chosen, number = name, 2
        while chosen in self._taken:
            chosen, number = f"{name}_{number}", number + 1
        self._taken.add(chosen)
        return chosen


def with_valid_ids(definition: GptDefinition, taken: Identifiers, findings: Findings) -> GptDefinition:
    """The definition with ids that can be written; each that changed is a finding."""
    top = taken.take(definition.id)
    if top != definition.id:
        findings.add(Outcome.CHANGED, top, "The id of the definition was made a valid one.", definition.id)
    _rename(definition.scope, top, taken, findings)
    return replace(definition, id=top)


def _rename(scope: Scope, scope_id: str, taken: Identifiers, findings: Findings) -> None:
    scope.id = scope_id
    chosen: dict[str, str] = {}
    for old, node in scope.nodes.items():
        node.id = chosen[old] = _chosen(old, taken, findings)
    scope.nodes = {node.id: node for node in scope.nodes.values()}
    flows = [
        replace(
            flow,
            id=_chosen(flow.id, taken, findings),
            source=chosen.get(flow.source, flow.source),
            target=chosen.get(flow.target, flow.target),
        )
        for flow in scope.flows.values()
    ]
    scope.flows = {flow.id: flow for flow in flows}
    for node in scope.nodes.values():
        if node.inside is not None:
            _rename(node.inside, node.id, taken, findings)


def _chosen(old: str, taken: Identifiers, findings: Findings) -> str:
    new = taken.take(old)
    if new != old:
        findings.add(Outcome.CHANGED, new, "The id was made a valid one, or one that nothing else has.", old)
    return new
