"""Finds a JSON schema that a prompt asks for in words: "... satisfies this JSON Schema: {...}"."""

import json
import re
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

_MENTION = re.compile(r"\bjson[ -]?schema\b[^{]{0,200}(?={)", re.IGNORECASE)
_SHAPES = ("type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum")


def schema_in(text: str) -> Mapping[str, Any] | None:
    """Return the last valid JSON schema that `text` names as one, or None."""
    found: Mapping[str, Any] | None = None
    for mention in _MENTION.finditer(text):
        try:
            value, _ = json.JSONDecoder().raw_decode(text, mention.end())
            Draft202012Validator.check_schema(value)
        except (ValueError, SchemaError):
            continue
        if any(name in value for name in _SHAPES):
            found = value
    return found
