"""Fills a JSON schema from the text: every required field is there, and the result is valid or refused.

Each kind of value has its own module (strings, numbers, choices, lists). Here are the schema's joints: references,
alternatives, objects, and the check of the whole at the end.
"""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from offline_model.schema.choices import chosen, decided, likeness
from offline_model.schema.facts import NOT_GIVEN, Facts
from offline_model.schema.lists import is_cited, list_value
from offline_model.schema.numbers import number_value
from offline_model.schema.references import broken_reference, target
from offline_model.schema.strings import is_written, string_value
from offline_model.schema.values import Field, Filled, SchemaUnmet, as_object, stems
from offline_model.text.sentences import shortened

_DEEP, _TOO_DEEP = 6, 24
_NULL = Filled(None, found=False)
_FINISHING = stems("done finish final answer complete")


def fill(schema: Mapping[str, Any], facts: Facts, given: Mapping[str, Any], field: str) -> Filled:
    """Return a value valid against `schema` (JSON Schema 2020-12), filled from `facts`.

    `given` are properties of the root taken as they are. `field` is where the request gave the schema, for the
    error. Raises `SchemaUnmet` when the schema is no valid schema or no value could be made for it.
    """
    _check(schema, field)
    filled = Filler(schema, field).fill(Field("", schema), facts, given)
    problem = next(_validator(schema).iter_errors(filled.value), None)
    if problem:
        where = f"{field}, at {problem.json_path}"
        raise SchemaUnmet(
            field, f"no value could be made for {where}: {shortened(problem.message, 300)}; loosen that constraint"
        )
    return filled


def _check(schema: Mapping[str, Any], field: str) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise SchemaUnmet(field, f"{field} is not a valid JSON schema: {error.message} at {error.json_path}") from None
    broken = broken_reference(schema)
    if broken is not None:
        raise SchemaUnmet(field, f"{field} has the reference '{broken}', which leads nowhere: define it under $defs")


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Return a validator that checks formats too, since some clients do."""
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


class Filler:
    """Fills the fields of one root schema."""

    def __init__(self, root: Mapping[str, Any], field: str) -> None:
        """`root` is what references start from; `field` is where the request gave it."""
        self._root = root
        self._field = field
        self._validator = _validator(root)

    def fill(self, field: Field, facts: Facts, given: Mapping[str, Any] | None = None, depth: int = 0) -> Filled:
        """Return a value for `field`; properties in `given` are taken as they are."""
        if depth > _TOO_DEEP:
            raise SchemaUnmet(
                self._field, f"{self._field} requires itself without end at '{field.name}'; make it optional"
            )
        field = Field(field.name, self.resolved(field.schema))
        schema = field.schema
        if "const" in schema:
            return Filled(schema["const"], found=True)
        copied = self._copied(field, facts)
        if copied is not NOT_GIVEN:
            return Filled(copied, found=True)
        options = _options(schema)
        if options:
            return self._best(field, options, facts, depth)
        if "enum" in schema:
            return chosen(field, schema["enum"], facts)
        return self._of_type(field, facts, given or {}, depth)

    def is_valid(self, schema: Mapping[str, Any], value: Any) -> bool:
        """Tell whether `value` is valid against a part of the root schema."""
        return self._validator.evolve(schema=schema).is_valid(value)

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `schema` with its reference followed and its allOf parts merged into it."""
        merged = dict(schema)
        for _ in range(_TOO_DEEP):
            if "$ref" not in merged:
                break
            referred = as_object(target(self._root, merged.pop("$ref")))
            merged = {**referred, **merged}
        for part in merged.pop("allOf", []):
            merged = _merged(merged, self.resolved(as_object(part)))
        return merged

    def _of_type(self, field: Field, facts: Facts, given: Mapping[str, Any], depth: int) -> Filled:
        match _type_of(field.schema):
            case "object":
                return self._object(field, facts, given, depth)
            case "array":
                return list_value(self, field, facts, depth)
            case "number" | "integer":
                return number_value(field, facts)
            case "boolean":
                return decided(field, facts)
            case "null":
                return _NULL
            case _:
                return string_value(field, facts)

    def _object(self, field: Field, facts: Facts, given: Mapping[str, Any], depth: int) -> Filled:
        properties: Mapping[str, Any] = field.schema.get("properties", {})
        required: list[str] = field.schema.get("required", [])
        extra = field.schema.get("additionalProperties", {})
        value: dict[str, Any] = {}
        found: list[bool] = []
        for name in [*properties, *(name for name in required if name not in properties)]:
            if name in given:
                value[name] = given[name]
                continue
            if depth >= _DEEP and name not in required:
                continue
            part = self.fill(Field(name, as_object(properties.get(name, extra))), facts, depth=depth + 1)
            if name in required or part.found:
                value[name] = part.value
            if name in required:
                found.append(part.found)
        return Filled(value, found=all(found) if found else bool(value) or depth == 0)

    def _best(self, field: Field, options: list[Mapping[str, Any]], facts: Facts, depth: int) -> Filled:
        """Return the value of the alternative the text fills best; null when it fills none and null is one of them."""
        nullable = any(_type_of(self.resolved(option)) == "null" for option in options)
        tried: list[tuple[tuple[bool, float], Filled]] = []
        for option in options:
            resolved = self.resolved(option)
            if _type_of(resolved) == "null" or (nullable and depth >= _DEEP):
                continue
            filled = self.fill(
                Field(field.name, {"description": field.description, **resolved}), facts, depth=depth + 1
            )
            tried.append(((filled.found, self._likeness(resolved, facts)), filled))
        best = max(tried, key=lambda one: one[0], default=None)
        if best is None or (nullable and not best[1].found):
            return _NULL
        return best[1]

    def _likeness(self, option: Mapping[str, Any], facts: Facts) -> float:
        """Return how well an alternative's own words fit the request; one that finishes is preferred a little."""
        names = list(option.get("properties", {}))
        constants = [str(part["const"]) for part in option.get("properties", {}).values() if "const" in as_object(part)]
        finishes = any(Field(name, {}).is_called(_FINISHING) for name in names)
        fits = [likeness(word, "", facts) for word in [str(option.get("title", "")), *constants] if word]
        return max(fits, default=0.0) + (0.1 if finishes else 0.0)

    def _copied(self, field: Field, facts: Facts) -> Any:
        """Return the value given under the field's name when it is valid here, else NOT_GIVEN."""
        if is_written(field, facts) or is_cited(field, facts):
            return NOT_GIVEN
        value = facts.given(field.name)
        return value if value is not NOT_GIVEN and self.is_valid(field.schema, value) else NOT_GIVEN


def _options(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the alternatives of a schema: anyOf, oneOf, or one for each of several types."""
    types = schema.get("type")
    own = {name: part for name, part in schema.items() if name not in ("anyOf", "oneOf")}
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return [_merged(own, as_object(option)) for option in schema[name]]
    return [{**schema, "type": one} for one in types] if isinstance(types, list) else []


def _merged(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**left, **right}
    if "properties" in left and "properties" in right:
        merged["properties"] = {**left["properties"], **right["properties"]}
    if "required" in left and "required" in right:
        merged["required"] = list(dict.fromkeys([*left["required"], *right["required"]]))
    return merged


def _type_of(schema: Mapping[str, Any]) -> str:
    """Return the type of a schema, or what its keywords imply (a string when they imply nothing)."""
    if isinstance(schema.get("type"), str):
        return schema["type"]
    if "properties" in schema or "required" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "number" if "minimum" in schema or "maximum" in schema else "string"
