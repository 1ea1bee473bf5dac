"""Checks a value against a JSON Schema (draft 2020-12) and says in one line what does not fit."""

from typing import Any

import jsonschema
from jsonschema.exceptions import best_match


def fault(schema: dict[str, Any], value: Any) -> str | None:
    """The most telling fault as "field: what is wrong", or None where `value` fits."""
    worst = best_match(jsonschema.Draft202012Validator(schema).iter_errors(value))
    if worst is None:
        return None
    where = ".".join(map(str, worst.absolute_path))
    return f"{where}: {worst.message}"[:1000] if where else worst.message[:1000]
