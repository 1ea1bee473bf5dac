"""Reads single parts of a definition: elements, sequences, roles and forms."""

import json
import re
from typing import Any

from importing.process_gpt.model import Flow, ImportRefused, Json, Node, Role

_KINDS = {
    "useractivity": "userTask", "humanactivity": "userTask", "serviceactivity": "serviceTask",
    "scriptactivity": "scriptTask", "manualactivity": "manualTask", "callactivity": "callActivity",
    "subprocess": "subProcess", "adhocsubprocess": "adHocSubProcess", "gateway": "exclusiveGateway",
    "event": "startEvent", "activity": "task",
}  # fmt: skip
"""Names of kinds in small letters that are not BPMN's own."""

_DEFAULT_MARKS = ("default", "isDefault", "defaultFlow", "default_flow")


def read_properties(holder: Json) -> Json:
    """The `properties` of an element: an object, or the text of one; {} where it is neither."""
    given = holder.get("properties")
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except (ValueError, RecursionError):
            return {}
    return given if isinstance(given, dict) else {}


def kind_of(raw: Json, unless_given: str) -> str:
    """The BPMN element name of an element: `UserActivity`, `StartEvent` and `userTask` are all in use."""
    given = str(raw.get("type") or "").strip() or unless_given
    return _KINDS.get(given.lower(), given[:1].lower() + given[1:])


def read_node(raw: Json, unless_given: str, where: str) -> Node:
    """Read an activity, gateway, event or sub-process; `where` names the list it is in."""
    return Node(
        id=_identifier(raw, where),
        kind=kind_of(raw, unless_given),
        name=str(raw.get("name") or "").strip(),
        raw=raw,
        properties=read_properties(raw),
    )


def read_flow(raw: Json, where: str) -> Flow:
    """Read a sequence."""
    properties = read_properties(raw)
    words = _first_text(properties.get("condition"), raw.get("condition"))
    return Flow(
        id=_identifier(raw, where, unless_given=f"{raw.get('source')}_{raw.get('target')}"),
        source=_required(raw, "source", where),
        target=_required(raw, "target", where),
        name=_first_text(raw.get("name")),
        function=_first_text(properties.get("conditionFunction"), raw.get("conditionFunction")),
        words=words,
        is_default=any(_is_yes(holder.get(mark)) for mark in _DEFAULT_MARKS for holder in (properties, raw)),
        priority=_number(properties.get("priority", raw.get("priority"))),
    )


def read_role(raw: Json) -> Role:
    """Read a role; whom it names is in `endpoint`, else in `default`, as one text, a text with commas, or a list."""
    for key in ("endpoint", "default"):
        given = raw.get(key)
        listed = given if isinstance(given, list) else str(given or "").split(",")
        holders = [str(item).strip() for item in listed if str(item or "").strip()]
        if holders:
            return Role(str(raw.get("name") or "").strip(), holders, _first_text(raw.get("resolutionRule")))
    return Role(str(raw.get("name") or "").strip(), [], _first_text(raw.get("resolutionRule")))


def read_forms(given: Any) -> dict[str, list[Json]]:
    """Read rows of `form_def` ({id, fields_json}), or an object from form id to fields.

    Raises ImportRefused where it is something else.
    """
    if isinstance(given, dict):
        given = [{"id": key, "fields_json": fields} for key, fields in given.items()]
    if not isinstance(given, list):
        raise ImportRefused(f"forms is {type(given).__name__}.", "Give the rows of form_def as a list.")
    forms: dict[str, list[Json]] = {}
    for row in given:
        fields = row.get("fields_json") if isinstance(row, dict) else None
        if isinstance(fields, str):
            fields = _parsed_list(fields)
        if not isinstance(row, dict) or not row.get("id") or not isinstance(fields, list):
            raise ImportRefused(
                f"forms: {str(row)[:80]!r} is no form.", 'Give {"id": "...", "fields_json": [{"key": ...}]}.'
            )
        forms[str(row["id"])] = [field for field in fields if isinstance(field, dict)]
    return forms


def objects(holder: Json, key: str) -> list[Json]:
    """The list of objects in `key`; [] where it is absent or null. Raises ImportRefused for anything else."""
    given = holder.get(key)
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise ImportRefused(f"{key} is not a list of objects.", "Give the definition as Process GPT stores it.")
    return given


def _parsed_list(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _identifier(raw: Json, where: str, unless_given: str = "") -> str:
    given = str(raw.get("id") or "").strip() or unless_given
    if not given:
        raise ImportRefused(f"{where}: {str(raw)[:80]!r} has no id.", "Give it one.")
    return given


def _required(raw: Json, key: str, where: str) -> str:
    given = raw.get(key)
    if not isinstance(given, str) or not given.strip():
        raise ImportRefused(f"{where}: {raw.get('id')!r} has the {key} {given!r}.", "Name an element, or delete it.")
    return given.strip()


def _first_text(*candidates: Any) -> str:
    return next((text.strip() for text in candidates if isinstance(text, str) and text.strip()), "")


def _is_yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and re.fullmatch(r"\s*(true|yes|1)\s*", value, re.I) is not None)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
