"""Checks values against JSON Schemas that tenants wrote, safely: in linear time, and without fetching anything.

A schema is a stranger's program. Its regular expressions run on RE2, which cannot backtrack; `$ref` reaches nothing but
the schema itself.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

import re2
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry

MOST_FAULTS = 100

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def fault(schema: dict[str, Any], value: Any) -> str | None:
    """The most telling fault as "field: what is wrong", at most 1000 characters, or None where `value` fits.

    Raises ValueError where the schema cannot be used: a `$ref` out of it, or a regular expression that is not RE2's.
    """
    worst = best_match(_errors(schema, value))
    if worst is None:
        return None
    where = ".".join(map(str, worst.absolute_path))
    return f"{where}: {worst.message}"[:1000] if where else worst.message[:1000]


def faults(schema: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    """Every fault as (field, what is wrong), at most 100; the field is a dotted path, empty for the value itself.

    A field that is missing is named, not the object that lacks it. Raises ValueError as `fault` does.
    """
    return [(_field_of(error), error.message[:1000]) for error in _errors(schema, value)[:MOST_FAULTS]]


def _field_of(error: ValidationError) -> str:
    path = [str(part) for part in error.absolute_path]
    if error.validator == "required":
        path += [name for name in cast(list[str], error.validator_value) if error.message.startswith(f"{name!r} ")]
    return ".".join(path)


def _errors(schema: dict[str, Any], value: Any) -> list[ValidationError]:
    try:
        return list(_Safe(schema, registry=Registry()).iter_errors(value))
    except Exception as error:  # the library raises what it likes on a schema with broken references
        raise ValueError(f"the schema cannot be used: {error}") from None


def unusable_parts(schema: Any) -> Iterator[str]:
    """What `fault` could not work with, as complaints: references out of the schema and unknown regular expressions."""
    if isinstance(schema, list):
        for part in schema:
            yield from unusable_parts(part)
    if not isinstance(schema, dict):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        yield f"$ref {reference!r} leads out of the schema; put the part under $defs and name it with #/$defs/..."
    patterns = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    if isinstance(schema.get("patternProperties"), dict):
        patterns += schema["patternProperties"]
    for pattern in patterns:
        try:
            _compiled(pattern)
        except re2.error:
            yield f"pattern {pattern!r} is no RE2 expression; look-around and back references are not supported"
    for part in schema.values():
        yield from unusable_parts(part)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    return re2.compile(pattern, _OPTIONS)


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not _compiled(pattern).search(value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: dict[str, Any], value: Any, _: Any) -> Iterator[ValidationError]:
    if not isinstance(value, dict):
        return
    for pattern, part in patterns.items():
        for name, item in value.items():
            if _compiled(pattern).search(name):
                yield from validator.descend(item, part, path=name, schema_path=pattern)


_Safe = extend(Draft202012Validator, {"pattern": _pattern, "patternProperties": _pattern_properties})
