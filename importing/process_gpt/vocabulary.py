"""The forms of a definition and their fields: what a person or an agent gives, and what conditions ask about.

There, values are kept by form (`form.field`); here, each field of a form is a variable of the instance.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from importing.process_gpt.model import GptDefinition, Json, Node, Scope

_HANDLER = "formHandler:"
_REFERENCE = re.compile(r"(?P<form>[^.\s]+)\.(?P<field>[^.]+)")
_NUMBERS = frozenset({"number", "integer", "float", "currency"})
_MANY = frozenset({"checkbox", "multiselect", "multi-select", "checkbox-field"})
_YES_NO = frozenset({"boolean", "bool", "switch", "boolean-field"})
_NO_INPUT = frozenset({"label", "bpmn-uengine-field", "button", "divider"})

CEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(
    {"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"}
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while", "vars", "type", "list", "map", "int"}
    | {"uint", "double", "bool", "string", "bytes", "size", "has", "dyn", "null_type", "timestamp", "duration"}
)


class Vocabulary:
    """The forms by id with their fields by name. `invented` holds the ids of forms that the file does not bring: their
    fields are those that other parts of the definition refer to.
    """

    def __init__(self, definition: GptDefinition) -> None:
        self.fields: dict[str, dict[str, Json]] = {}
        self.invented: set[str] = set()
        nodes = [*all_nodes(definition.scope)]
        for form_id in dict.fromkeys([*definition.forms, *filter(None, map(form_named_by, nodes))]):
            known = self.form(form_id)
            if known is None:
                self.fields[form_id] = {
                    str(field["key"]): field for field in definition.forms.get(form_id, []) if field.get("key")
                }
        self._learn_references(nodes, definition)

    def form(self, name: str) -> str | None:
        """The id of the form that a text means: ids are written with and without the definition's id before them."""
        if name in self.fields:
            return name
        low = name.lower()
        return next(
            (
                form_id
                for form_id in self.fields
                if form_id.lower() == low or low.endswith(f"_{form_id.lower()}") or form_id.lower().endswith(f"_{low}")
            ),
            None,
        )

    def reference(self, text: str) -> tuple[str, str] | None:
        """Form and field that a text such as `leave_form.days` means, or None when it is no such text."""
        found = _REFERENCE.fullmatch(text.strip())
        return (self.form(found["form"]) or found["form"], found["field"].strip()) if found else None

    def shared(self) -> dict[str, list[str]]:
        """Field -> the forms that have it, of those that more than one form has."""
        homes: defaultdict[str, list[str]] = defaultdict(list)
        for form_id, fields in self.fields.items():
            for field in fields:
                homes[field].append(form_id)
        return {field: forms for field, forms in homes.items() if len(forms) > 1}

    def type_of(self, field: str) -> str | None:
        """The JSON type of a field: that of its forms, or None when none says or they differ."""
        kinds = {field_schema(fields[field]).get("type") for fields in self.fields.values() if field in fields}
        return kinds.pop() if len(kinds) == 1 else None

    def schema(self, form_id: str) -> Json | None:
        """The JSON Schema of a form's values, or None for a form that nobody knows a field of."""
        fields = {key: field for key, field in self.fields.get(form_id, {}).items() if not _is_decoration(field)}
        if not fields:
            return None
        required = [key for key, field in fields.items() if _is_yes(field.get("required"))]
        properties = {key: field_schema(field) for key, field in fields.items()}
        return {"type": "object", "properties": properties, **({"required": required} if required else {})}

    def _learn_references(self, nodes: list[Node], definition: GptDefinition) -> None:
        given = {self.form(form_id) for form_id in definition.forms}
        for node in nodes:
            for text in (*node.texts("inputData"), *node.texts("conditionData")):
                found = self.reference(text)
                if found and found[0] in self.fields and found[0] not in given:
                    self.invented.add(found[0])
                    self.fields[found[0]].setdefault(found[1], {"key": found[1]})


def all_nodes(scope: Scope) -> Iterator[Node]:
    """Every node of a scope and of the sub-processes in it."""
    for node in scope.nodes.values():
        yield node
        if node.inside is not None:
            yield from all_nodes(node.inside)


def form_named_by(node: Node) -> str | None:
    """The form that the `tool` of an activity names, or None."""
    tool = node.text("tool")
    return tool.removeprefix(_HANDLER).strip() or None if tool.startswith(_HANDLER) else None


def field_schema(field: Json) -> Json:
    """The JSON Schema of one field of a form (key, type, text, items, ...)."""
    kind, choices = str(field.get("type") or "").lower(), [*_choices(field.get("items") or field.get("options"))]
    schema: Json = {"title": str(field.get("text") or field.get("key"))}
    if not kind:
        return schema
    schema |= _typed(kind, [value for value, _ in choices])
    labels = ", ".join(f"{value}: {label}" for value, label in choices if label != value)
    if labels or field.get("placeholder"):
        schema["description"] = labels or str(field["placeholder"])
    if _is_yes(field.get("readonly")) or _is_yes(field.get("disabled")):
        schema["readOnly"] = True
    return schema


def name_in_cel(field: str) -> str:
    """How an expression reads the variable of a field."""
    plain = CEL_NAME.fullmatch(field) and field not in _RESERVED
    return field if plain else f"vars[{text_in_cel(field)}]"


def value_or_null(field: str) -> str:
    """An expression for the variable of a field, null where nobody has given it yet."""
    if CEL_NAME.fullmatch(field) and field not in _RESERVED:
        return f"has(vars.{field}) ? {field} : null"
    return f"{text_in_cel(field)} in vars ? {name_in_cel(field)} : null"


def text_in_cel(text: str) -> str:
    """A text literal of CEL: JSON's are a subset of CEL's (https://github.com/google/cel-spec, string literals)."""
    return json.dumps(text, ensure_ascii=False)


def _typed(kind: str, values: list[str]) -> Json:
    if kind in _NUMBERS:
        return {"type": "number"}
    if kind in _YES_NO or (kind in _MANY and not values):
        return {"type": "boolean"}
    if kind in _MANY:
        return {"type": "array", "items": {"type": "string", "enum": values}}
    return {"type": "string", "enum": values} if values else {"type": "string"}


def _choices(items: Any) -> Iterator[tuple[str, str]]:
    """Value and label of each choice: `{"PASSED": "passed"}`, `{"value": ..., "text": ...}`, or the value alone."""
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict) and "value" in item:
            yield str(item["value"]), str(item.get("text") or item.get("label") or item["value"])
        elif isinstance(item, dict):
            yield from ((str(value), str(label)) for value, label in item.items())
        else:
            yield str(item), str(item)


def _is_decoration(field: Json) -> bool:
    return str(field.get("type") or "").lower() in _NO_INPUT


def _is_yes(value: Any) -> bool:
    return value is True or str(value).lower() == "true"
