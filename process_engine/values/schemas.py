"""Reads the JSON Schemas an author writes into a definition: what an agent must answer, what a form asks for."""

import json
from typing import NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for

from process_engine.values.plain_json import Json
from process_engine.values.schema_check import unusable_parts


def parse_schema(text: str) -> dict[str, Json]:
    """Read a JSON Schema (https://json-schema.org; draft 2020-12 unless `$schema` says otherwise).

    Raises:
        ValueError: the text is not JSON, not an object, or not a valid schema. The message says where.
    """
    try:
        return _checked(text)
    except RecursionError:
        raise ValueError("the JSON is nested too deep") from None


def _checked(text: str) -> dict[str, Json]:
    try:
        schema = json.loads(text, parse_constant=_not_json)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(schema, dict):
        raise ValueError(f"a JSON Schema is an object; this is {type(schema).__name__}")
    if "components" in schema and "schemaVersion" in schema:
        raise ValueError('this is a Camunda form; write a JSON Schema, such as {"type": "object", "properties": {}}')
    try:
        validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"not a JSON Schema: {error.json_path}: {error.message}") from error
    for complaint in unusable_parts(schema):
        raise ValueError(complaint)
    return schema


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")
