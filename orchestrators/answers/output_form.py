"""Reads the model's answer into the task's output and says what is wrong with it."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from orchestrators import kit
from orchestrators.answers.ledger import Ledger, cites
from orchestrators.answers.strictness import fits_strict_mode

FENCE = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)
MOST_PROBLEMS = 5
LONGEST_PROBLEM = 300


@dataclass(frozen=True)
class Reading:
    """One answer, read: the output when `problems` is empty, and the sources that were dropped from it."""

    output: dict[str, Any] = field(default_factory=dict)
    problems: str = ""
    dropped: list[str] = field(default_factory=list)


class OutputForm:
    """What the output must look like: an object of the task's schema, or a text when it has none."""

    def __init__(self, schema: dict[str, Any] | None, ledger: Ledger) -> None:
        """Take the task's output schema.

        Raises:
            kit.Refused: it is no JSON Schema, or not one of an object.
        """
        self._schema = schema
        self._ledger = ledger
        self._validator = None if schema is None else _validator(schema)
        self.response_format = None if schema is None else _response_format(schema)

    def read(self, answer: str, *, last_chance: bool) -> Reading:
        """Read an answer. On the `last_chance` a valid output with citations but no sources is let through."""
        if self._schema is None:
            return Reading({"text": answer}) if answer.strip() else Reading(problems="The answer is empty.")
        try:
            parsed = _parsed(answer)
        except ValueError as error:
            return Reading(problems=f"It is not a JSON object: {error}")
        output, dropped = self._ledger.check(parsed, with_titles=_sources_have_titles(self._schema))
        problems = self._violations(output)
        if problems and dropped:
            problems.append(f"$.sources: no tool returned {', '.join(dropped)}")
        if not problems and not last_chance and self._lacks_sources(output):
            problems = ["$.sources: it is empty, but the texts cite [n]; list the documents they cite"]
        return Reading(output, "\n".join(problems), dropped)

    def _violations(self, output: dict[str, Any]) -> list[str]:
        assert self._validator is not None
        try:
            errors = sorted(self._validator.iter_errors(output), key=lambda error: (error.json_path, error.message))
        except Unresolvable as error:
            raise kit.Refused(f"output_schema refers to {error.ref!r}, which it does not hold.") from error
        return [f"{error.json_path}: {error.message}"[:LONGEST_PROBLEM] for error in errors[:MOST_PROBLEMS]]

    def _lacks_sources(self, output: dict[str, Any]) -> bool:
        wanted = "sources" in (self._schema or {}).get("properties", {})
        return wanted and bool(self._ledger) and not output.get("sources") and cites(output)


def _validator(schema: dict[str, Any]) -> Validator:
    kinds = schema.get("type", "object")
    if "object" not in ([kinds] if isinstance(kinds, str) else kinds):
        raise kit.Refused(f"output_schema.type is {kinds!r}; an output is an object, so it must be 'object'.")
    dialect = validator_for(schema, default=Draft202012Validator)
    try:
        dialect.check_schema(schema)
    except SchemaError as error:
        raise kit.Refused(f"output_schema is not a JSON Schema: {error.json_path}: {error.message}") from error
    # An empty registry: a `$ref` to an address is never fetched.
    return dialect(schema, registry=Registry())


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "object", **schema}
    return {"type": "json_schema", "json_schema": {"name": "output", "schema": body, "strict": fits_strict_mode(body)}}


def _parsed(answer: str) -> dict[str, Any]:
    fenced = FENCE.fullmatch(answer.strip())
    parsed = json.loads(fenced[1] if fenced else answer, parse_constant=_refuse_constant)
    if not isinstance(parsed, dict):
        raise ValueError(f"it is {type(parsed).__name__}")
    return parsed


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _sources_have_titles(schema: dict[str, Any]) -> bool:
    items = schema.get("properties", {}).get("sources", {}).get("items", {})
    return "title" in items.get("properties", {}) if isinstance(items, dict) else False
