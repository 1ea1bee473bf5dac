"""A schema is a stranger's program: checking it takes linear time and fetches nothing."""

from pathlib import Path
from typing import Any

import pytest

from process_engine.values.schema_check import fault, faults
from process_engine.values.schemas import parse_schema


@pytest.mark.parametrize(
    ("schema", "value", "complaint"),
    [
        ({"type": "string"}, 5, "5 is not of type 'string'"),
        ({"properties": {"a": {"pattern": "^[가-힣]+$"}}}, {"a": "한글"}, None),
        ({"properties": {"a": {"pattern": "^b"}}}, {"a": "ab"}, "a: 'ab' does not match '^b'"),
        ({"patternProperties": {"^n_": {"type": "integer"}}}, {"n_1": "x"}, "n_1: 'x' is not of type 'integer'"),
        ({"$defs": {"id": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/id"}}}, {"a": 1}, None),
    ],
)
def test_values_are_held_against_the_schema(schema: Any, value: Any, complaint: str | None) -> None:
    assert fault(schema, value) == complaint


def test_a_pattern_that_backtracks_elsewhere_is_decided_here() -> None:
    assert fault({"pattern": "^(a+)+$"}, "a" * 50_000 + "!") is not None


def test_a_reference_out_of_the_schema_is_neither_read_nor_allowed(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"enum": ["top secret"]}')
    for reference in (f"file://{tmp_path}/secret.json", "http://127.0.0.1:9/x", "other.json"):
        with pytest.raises(ValueError, match="cannot be used") as refused:
            fault({"$ref": reference}, 1)
        assert "top secret" not in str(refused.value)
        with pytest.raises(ValueError, match="leads out of the schema"):
            parse_schema(f'{{"properties": {{"a": {{"$ref": "{reference}"}}}}}}')


def test_a_regular_expression_that_needs_backtracking_is_refused_at_deployment() -> None:
    with pytest.raises(ValueError, match="is no RE2 expression"):
        parse_schema('{"items": {"pattern": "(?=a)b"}}')


def test_every_fault_names_its_field() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"properties": {"c": {"enum": [1, 2]}}, "required": ["d", "e"]}},
        "required": ["a", "b", "z"],
        "additionalProperties": False,
    }
    assert faults(schema, {"a": 1, "b": {"d": 0, "e": 0}, "z": 1}) == [
        ("", "Additional properties are not allowed ('z' was unexpected)")
    ]
    found = faults(schema, {"a": "one", "b": {"c": 3, "d": 0}})
    assert sorted(field for field, _ in found) == ["a", "b.c", "b.e", "z"]
    assert dict(found)["b.c"] == "3 is not one of [1, 2]"


def test_the_faults_of_a_large_value_are_bounded() -> None:
    assert len(faults({"items": {"type": "string"}}, [0] * 5000)) == 100
