"""Conditions of Process GPT mean the same in CEL, and what has no counterpart is refused with the reason."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importing.process_gpt.conditions import NotTranslatable, is_foreign, translate
from importing.process_gpt.model import GptDefinition, Scope
from importing.process_gpt.vocabulary import Vocabulary
from process_engine.values.expressions import evaluate_condition

FIELDS = [
    {"key": "days", "type": "number"},
    {"key": "urgent", "type": "boolean"},
    {"key": "tags", "type": "checkbox", "items": [{"a": "A"}, {"b": "B"}]},
    {"key": "note", "type": "text"},
]
WORDS = Vocabulary(GptDefinition("p", "p", "", {}, Scope("p"), {"p_leave_form": FIELDS}, {}))

SAME_AS_PYTHON = [
    "days > 3", "3 < days <= 5", "days == 3 or note == 'x'", "not urgent and days >= 1", "urgent", "note", "days",
    "'a' in tags", "'a' not in tags", "'el' in note", "note in ['hello', 'x']", "note != \"x\"", "other is None",
    "other is not None", "days * 2 - 1 > 4", "days / 2 > 1.4", "(days + 1) * 2 == 8", "-days < -2",
    "note + '!' == 'x!'",
    "note.startswith('h') or note.endswith('y')", "not (days > 3 and urgent)", "other", "not other", "tags == ['a']",
    "True", "(days > 3) == urgent", "not not urgent", "days >= 3 and days <= 3",
]  # fmt: skip
CASES = [
    {"days": 3, "urgent": True, "tags": ["a"], "note": "hello", "other": None},
    {"days": 5, "urgent": False, "tags": [], "note": "x", "other": "o"},
    {"days": 0, "urgent": False, "tags": ["b", "a"], "note": "", "other": 0},
    {"days": 3.5, "urgent": True, "tags": ["b"], "note": "xy", "other": []},
]


@pytest.mark.parametrize("condition", SAME_AS_PYTHON)
@pytest.mark.parametrize("variables", CASES)
def test_a_condition_is_true_exactly_when_python_says_so(condition: str, variables: dict[str, Any]) -> None:
    expected = bool(eval(condition, {"__builtins__": {}}, dict(variables)))
    assert evaluate_condition(translate(condition, WORDS), variables) is expected


@pytest.mark.parametrize("holder", [["x", "rewrite"], "to rewrite", ["y"], "no"])
def test_a_field_of_unknown_type_is_looked_into_as_text_or_list(holder: Any) -> None:
    translated = translate('"rewrite" in approval_status', WORDS)
    assert evaluate_condition(translated, {"approval_status": holder}) is ("rewrite" in holder)


@pytest.mark.parametrize(
    ("condition", "translated"),
    [
        ("leave_form: days > 3", "days > 3"),
        ("leave_form.days > 3", "days > 3"),
        ('p_leave_form["days"] > 3', "days > 3"),
        ("address.city == 'Seoul'", 'address.city == "Seoul"'),
        ('address["우편번호"] == "1"', 'address["우편번호"] == "1"'),
        ("승인여부 == '승인'", 'vars["승인여부"] == "승인"'),
        ("package == 'small'", 'vars["package"] == "small"'),
        ("outcome === 'A' || !urgent && other !== null", 'outcome == "A" || (!(urgent) && other != null)'),
        ("note == 'a && b'", 'note == "a && b"'),
    ],
)
def test_names_and_signs_are_those_of_this_engine(condition: str, translated: str) -> None:
    assert translate(condition, WORDS) == translated


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ("__import__('os').system('true')", "__import__"),
        ("().__class__.__bases__", "()"),
        ("len(note) > 3", "len(note)"),
        ("days if urgent else 3", "if"),
        ("[d for d in tags]", "for"),
        ("(lambda: 1)()", "lambda"),
        ("f'{note}' == 'x'", "f'"),
        ("days % 2 == 0", "%"),
        ("days == 1e999", "1e309"),
        ("days == 99999999999999999999999", "999"),
        ("tags[-1] == 'a'", "-1"),
        ("b'x' == note", "b'x'"),
        ("note == 'x\x00'", "null bytes"),
        ("the price is small", "no expression"),
        ("", "no expression"),
        ("(" * 300, "no expression"),
        ("a" * 2001, "2001 characters"),
        ("x = 3", "no expression"),
        ("import os", "no expression"),
        ("note.startswith('a', 1)", "startswith"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(condition: str, part: str) -> None:
    with pytest.raises(NotTranslatable) as refused:
        translate(condition, WORDS)
    assert part in str(refused.value)


def test_a_condition_that_no_python_understood_is_known() -> None:
    assert is_foreign("a == 1 || b") and is_foreign("!a")
    assert not is_foreign("a != '||' or 'a && b' in c")


@given(st.text(alphabet="ab1 .,:'\"()[]{}<>=!&|+-*/%\\\n#\x00é한", max_size=60))
def test_any_text_is_translated_or_refused_and_never_anything_else(condition: str) -> None:
    try:
        translate(condition, WORDS)
    except NotTranslatable as refused:
        assert str(refused)
