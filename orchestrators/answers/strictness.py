"""Whether a JSON Schema is within the subset that OpenAI's strict mode takes.

Strict mode refuses a schema outside its subset with HTTP 400 (OpenAI guide "Structured outputs", supported
schemas): every object closed, every property required, the root an object, few keywords. Keywords which only some
models take count as outside; then the schema guides the model and our own check decides.
"""

from typing import Any

KINDS = {"type", "enum", "const", "anyOf", "$ref"}
PARTS = {"properties", "required", "additionalProperties", "items", "$defs"}
KEYWORDS = KINDS | PARTS | {"title", "description"}


def fits_strict_mode(schema: dict[str, Any]) -> bool:
    """Say whether the schema can be sent with `strict: true`."""
    return schema.get("type") == "object" and "anyOf" not in schema and _fits(schema)


def _fits(schema: Any) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= KEYWORDS:
        return False
    if not schema.keys() & KINDS:
        return False
    if _is_object(schema) and not _is_closed(schema):
        return False
    return all(_fits(inner) for inner in _inner(schema))


def _is_object(schema: dict[str, Any]) -> bool:
    kinds = schema.get("type", [])
    return "properties" in schema or "object" in ([kinds] if isinstance(kinds, str) else kinds)


def _is_closed(schema: dict[str, Any]) -> bool:
    return schema.get("additionalProperties") is False and set(schema.get("required", [])) == set(
        schema.get("properties", {})
    )


def _inner(schema: dict[str, Any]) -> list[Any]:
    inner = [*schema.get("properties", {}).values(), *schema.get("$defs", {}).values(), *schema.get("anyOf", [])]
    return [*inner, schema["items"]] if "items" in schema else inner
