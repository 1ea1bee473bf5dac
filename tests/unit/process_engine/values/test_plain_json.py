"""What a JSON value is, and that copies share nothing."""

from datetime import date

import pytest

from process_engine.values.errors import NotPlainJson
from process_engine.values.plain_json import plain_copy


def test_a_copy_is_equal_keeps_its_order_and_shares_no_container() -> None:
    value = {"b": [1, {"x": None}], "a": {"y": [True, 1.5, "한국"]}}
    copy = plain_copy(value, "value")
    assert copy == value
    assert list(copy) == ["b", "a"]
    copy["b"][1]["x"] = "changed"
    copy["a"]["y"].append(2)
    assert value == {"b": [1, {"x": None}], "a": {"y": [True, 1.5, "한국"]}}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"a": [0, float("nan")]}, "output.a[1] is nan, which JSON does not have"),
        (float("-inf"), "output is -inf"),
        ({"a": {1: 2}}, "output.a has the key 1; keys must be text"),
        ({"day": date(2026, 11, 20)}, "output.day is a date, which JSON does not have; make it text or a number"),
        ([(1, 2)], "output[0] is a tuple"),
        ({"a": b"x"}, "output.a is a bytes"),
        ({"a": {1, 2}}, "output.a is a set"),
    ],
)
def test_what_json_does_not_have_is_refused_with_its_place(value: object, complaint: str) -> None:
    with pytest.raises(NotPlainJson) as caught:
        plain_copy(value, "output")
    assert complaint in str(caught.value)


def test_nesting_ends_at_a_hundred_levels() -> None:
    value: list[object] = []
    for _ in range(99):
        value = [value]
    assert plain_copy(value, "value") == value
    with pytest.raises(NotPlainJson, match="nested deeper than 100 levels"):
        plain_copy([value], "value")
