"""Which schemas can be sent in strict mode."""

from typing import Any

import pytest

from orchestrators.answers.strictness import fits_strict_mode


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


TEXT = {"type": "string", "description": "words"}


@pytest.mark.parametrize(
    "schema",
    [
        an_object(a=TEXT),
        an_object(),
        an_object(a={"type": ["string", "null"]}, b={"enum": ["x", "y"]}, c={"anyOf": [TEXT, an_object(d=TEXT)]}),
        an_object(a={"type": "array", "items": an_object(b=TEXT)}),
        {**an_object(a={"$ref": "#/$defs/a"}), "$defs": {"a": an_object(b=TEXT)}},
        an_object(pattern=TEXT, minimum=TEXT),
    ],
)
def test_closed_objects_with_all_properties_required_fit(schema: dict[str, Any]) -> None:
    assert fits_strict_mode(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {**an_object(a=TEXT), "additionalProperties": True},
        {**an_object(a=TEXT), "required": []},
        {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
        {"type": "object"},
        {"type": "array", "items": TEXT},
        {**an_object(a=TEXT), "anyOf": [an_object()]},
        {**an_object(a=TEXT), "$schema": "https://json-schema.org/draft/2020-12/schema"},
        an_object(a={"type": "string", "minLength": 3}),
        an_object(a={"type": "array", "items": {"type": "object"}}),
        an_object(a={"type": ["object", "null"]}),
        an_object(a={"anyOf": [{"type": "object"}]}),
        {**an_object(a={"$ref": "#/$defs/a"}), "$defs": {"a": {"type": "object"}}},
        an_object(a={}),
        an_object(a=True),
    ],
)
def test_everything_else_does_not(schema: dict[str, Any]) -> None:
    assert not fits_strict_mode(schema)
