"""Reads a definition of Process GPT out of JSON: as it is stored, as its designer exports it, or in a row of proc_def.

A definition lists what its sub-processes hold twice: in their `children`, and again in its own lists with the id of
the sub-process in `process`. Events are listed in `events` and may be listed again in `gateways`. Each element is read
once, into the scope it belongs to.
"""

import json

from importing.process_gpt.model import GptDefinition, ImportRefused, Json, Node, Scope
from importing.process_gpt.parts import objects, read_flow, read_forms, read_node, read_role

LARGEST_FILE = 5_000_000
"""Bytes; as for a BPMN file."""

_ELEMENTS = (("activities", "userTask"), ("events", "startEvent"), ("gateways", "exclusiveGateway"))
_DEEPEST = 20


def read_definition(data: bytes) -> GptDefinition:
    """Read a JSON file.

    Args:
        data: a definition; or an object with the definition in `definition` (a row of proc_def). Its forms, the rows
            of form_def, may be beside it in `forms` or `form_def`.

    Raises:
        ImportRefused: not JSON, or not a definition. The message names the part at fault.
    """
    whole = _parsed(data)
    inner = whole.get("definition")
    if isinstance(inner, str):
        inner = _parsed(inner.encode())
    raw = inner if isinstance(inner, dict) else whole
    raw = {**raw, **_split_elements(raw)}
    identifier = str(raw.get("processDefinitionId") or whole.get("id") or "").strip()
    if not identifier or not (raw.get("activities") or raw.get("sequences")):
        raise ImportRefused(
            "The file is no process definition of Process GPT: it has no processDefinitionId, activities or sequences.",
            "Give the JSON of proc_def.definition.",
        )
    scope = Scope(identifier)
    _read_scope(raw, scope, 0)
    _move_into_subprocesses(scope)
    return GptDefinition(
        id=identifier,
        name=str(raw.get("processDefinitionName") or whole.get("name") or identifier).strip(),
        description=str(raw.get("description") or "").strip(),
        roles={role.name: role for role in map(read_role, objects(raw, "roles"))},
        scope=scope,
        forms=read_forms(whole.get("forms") or whole.get("form_def") or raw.get("forms") or []),
        raw=raw,
    )


def _parsed(data: bytes) -> Json:
    if len(data) > LARGEST_FILE:
        raise ImportRefused(f"The file has {len(data)} bytes; at most {LARGEST_FILE} are read.", "Give one definition.")
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"The file is no JSON: {error}.", "Export the definition again.") from None
    if isinstance(whole, list) and len(whole) == 1:
        whole = whole[0]
    if not isinstance(whole, dict):
        raise ImportRefused("The file is no JSON object.", "Give the JSON of proc_def.definition.")
    return whole


def _split_elements(raw: Json) -> Json:
    """The lists of a definition in the shape of the designer, which has all elements in one list."""
    elements = objects(raw, "elements")
    if not elements:
        return {}
    lists = {"Activity": "activities", "Event": "events", "Gateway": "gateways", "Sequence": "sequences"}
    split: dict[str, list[Json]] = {name: objects(raw, name) for name in lists.values()}
    for element in elements:
        kind = element.get("elementType")
        if kind not in lists:
            raise ImportRefused(f"elements: {element.get('id')!r} has the elementType {kind!r}.", f"One of {[*lists]}.")
        split[lists[kind]].append(element)
    return split


def _read_scope(raw: Json, scope: Scope, depth: int) -> None:
    if depth > _DEEPEST:
        raise ImportRefused(f"subProcesses are nested deeper than {_DEEPEST} levels.", "Flatten them.")
    for key, kind in _ELEMENTS:
        for item in objects(raw, key):
            _add(scope, read_node(item, kind, key))
    for item in objects(raw, "subProcesses"):
        node = read_node(item, "subProcess", "subProcesses")
        node.inside = Scope(node.id)
        children = item.get("children")
        if isinstance(children, dict):
            _read_scope({**children, **_split_elements(children)}, node.inside, depth + 1)
        _add(scope, node)
    for item in objects(raw, "sequences"):
        flow = read_flow(item, "sequences")
        scope.flows.setdefault(flow.id, flow)


def _add(scope: Scope, node: Node) -> None:
    known = scope.nodes.get(node.id)
    if known is None:
        scope.nodes[node.id] = node
    elif node.inside is not None:
        known.kind, known.inside = node.kind, node.inside  # a sub-process that is also listed as an activity


def _move_into_subprocesses(top: Scope) -> None:
    """Put what the lists of the process repeat where it belongs, and what only they hold as well."""
    scopes = {scope.id: scope for scope in _all_scopes(top)}
    for node in [*top.nodes.values()]:
        home = _home(node, scopes)
        if home is not None and home is not top and node.id != home.id:
            del top.nodes[node.id]
            _merge(home, node)
    homes = {node_id: scope for scope in _all_scopes(top) for node_id in scope.nodes}
    for flow in [*top.flows.values()]:
        home = homes.get(flow.source, top)
        if home is not top:
            del top.flows[flow.id]
            home.flows[flow.id] = flow  # the copy in the process has the name and the condition


def _home(node: Node, scopes: dict[str, Scope]) -> Scope | None:
    named = scopes.get(str(node.raw.get("process") or ""))
    if named is not None:
        return named
    return next((scope for scope in [*scopes.values()][1:] if node.id in scope.nodes), None)


def _merge(home: Scope, node: Node) -> None:
    """Where both lists hold an element, what the process says of it goes before what the sub-process says."""
    inner = home.nodes.get(node.id)
    if inner is None:
        home.nodes[node.id] = node
        return
    given = {key: value for key, value in node.raw.items() if value not in (None, "", [], {}, "{}")}
    inner.raw = {**inner.raw, **given}
    inner.properties = {**inner.properties, **node.properties}
    inner.name = node.name or inner.name


def _all_scopes(scope: Scope) -> list[Scope]:
    found: list[Scope] = [scope]
    for node in scope.nodes.values():
        if node.inside is not None:
            found += _all_scopes(node.inside)
    return found
