"""CEL as process authors meet it: values keep their JSON types, mistakes are named, nothing reaches Python."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_engine.values.errors import ExpressionError
from process_engine.values.expressions import check, evaluate, evaluate_condition, is_expression, resolve_text

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=15,
)


@given(json_values)
def test_every_json_value_comes_back_as_it_went_in(value: object) -> None:
    for source in ("x", "vars.x", "vars['x']"):
        assert json.dumps(evaluate(source, {"x": value}), sort_keys=True) == json.dumps(value, sort_keys=True)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("= amount + 1", 3),
        ("amount == 2.0", True),
        ("1.5 * double(amount)", 3.0),
        ("7 / amount", 3),
        ("name + '님'", "김철수님"),
        ("vars['고객명']", "홍길동"),
        ("'고객명' in vars", True),
        ("has(vars.comment)", False),
        ('has(vars.comment) ? vars.comment : "none"', "none"),
        ("nothing == null", True),
        ("[1, 2.5, 'a', null, {'k': [true]}]", [1, 2.5, "a", None, {"k": [True]}]),
        ("items.filter(i, i > 1)", [2, 3]),
        ("name.startsWith('김') && size(items) == 3", True),
        ("timestamp('2026-11-20T10:00:00Z').getFullYear()", 2026),
        ("string(amount)", "2"),
        ("18446744073709551615u", 18446744073709551615),
    ],
)
def test_an_expression_gives_plain_json(expression: str, result: object) -> None:
    variables = {"amount": 2, "name": "김철수", "고객명": "홍길동", "nothing": None, "items": [1, 2, 3]}
    value = evaluate(expression, variables)
    assert (value, type(value)) == (result, type(result))


def test_the_keys_of_a_result_are_sorted_because_cel_maps_have_no_order() -> None:
    made = evaluate("{'c': 1, 'a': {'z': 1, 'b': 2}, 'b': [{'y': 1, 'x': 2}]}", {})
    assert json.dumps(made) == '{"a": {"b": 2, "z": 1}, "b": [{"x": 2, "y": 1}], "c": 1}'


def test_text_size_counts_bytes_as_documented() -> None:
    assert evaluate("size('한국')", {}) == 6


def test_a_variable_named_vars_is_reached_through_vars() -> None:
    assert evaluate("vars.vars", {"vars": 7}) == 7


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("missing", "Undefined variable or function: 'missing'"),
        ("order.missing", "there is no field 'missing'; has(map.field) asks whether there is one"),
        ("1 + 1.5", "CEL does not coerce between types"),
        ("order + 1", "Unsupported operation: map + int"),
        ("order > 1", "No such overload"),
        ("1 / 0", "division by zero"),
        ("9223372036854775807 + 1", "overflow"),
        ("[1][5]", "index out of bounds"),
        ("1.0 / 0.0", "the result is inf, which JSON does not have"),
        ("0.0 / 0.0", "the result is nan"),
        ("timestamp('2026-11-20T10:00:00Z')", "the result is a datetime, which JSON does not have"),
        ("duration('1h')", "the result is a timedelta"),
        ("b'ab'", "the result is a bytes"),
        ("{1: 2}", "has the key 1; keys must be text"),
        ("huge == 1", "the integer 18446744073709551616 does not fit into 64 bits; keep such numbers as text"),
        ("vars.order == 1", "the integer 18446744073709551616 does not fit"),
        ("surrogate", "Failed to convert"),
    ],
)
def test_what_cannot_be_evaluated_is_an_error_that_says_why(expression: str, complaint: str) -> None:
    variables = {"order": {"id": 1}, "huge": 2**64, "surrogate": "\ud800"}
    with pytest.raises(ExpressionError) as caught:
        evaluate(expression, variables)
    assert complaint in str(caught.value)


def test_only_the_variables_an_expression_names_need_to_fit_into_cel() -> None:
    assert evaluate("small", {"small": 1, "huge": 2**64}) == 1


@pytest.mark.parametrize("value", [1, 0, "true", "", None, [], {"a": True}, 1.0])
def test_nothing_but_a_bool_is_a_condition(value: object) -> None:
    with pytest.raises(ExpressionError, match="must give true or false"):
        evaluate_condition("x", {"x": value})


def test_a_bool_is_a_condition() -> None:
    assert evaluate_condition("x", {"x": True}) is True
    assert evaluate_condition("= x", {"x": False}) is False


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("", "the expression is empty"),
        (" = ", "the expression is empty"),
        ("(", "syntax error at character 2"),
        ("a &&\n  )", "syntax error at line 2, character 3"),
        ('category = "problem"', "a single `=` does not compare here, write `==`"),
        ('= category = "problem"', "a single `=` does not compare here, write `==`"),
        ("a > 1 and b", "write `&&` for and"),
        ("if a then b else c", "`a ? b : c` for if a then b else c"),
        ("not(a)", "unknown function not; write `&&` for and, `||` for or, `!` for not"),
        ("now()", "unknown function now"),
        ("${approved}", "write the expression without `${ }`"),
        ("__import__('os').system('true')", "unknown function"),
        ("고객명", "syntax error at character 1"),
        ("x" * 10_001, "has 10001 characters; 10000 are allowed"),
        ("(" * 200 + "1" + ")" * 200, "syntax error"),
    ],
)
def test_a_wrong_expression_is_found_without_evaluating_it(expression: str, complaint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check(expression)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("expression", ["a == '='", 'a == "x = y and z"', "a >= 1", "a != 1", "a <= 1"])
def test_an_equals_sign_that_belongs_there_is_no_mistake(expression: str) -> None:
    check(expression)


def test_a_hint_does_not_come_from_inside_a_text() -> None:
    with pytest.raises(ExpressionError) as caught:
        check("'a = b' ) ")
    assert "`==`" not in str(caught.value)


@pytest.mark.parametrize("operator", ["+1", "&&true", "||x", "[0]", ".a", "==1", " in x"])
def test_the_longest_expressions_do_not_overflow_the_stack(operator: str) -> None:
    longest = "x" + operator * ((10_000 - 1) // len(operator))
    check(longest)
    with pytest.raises(ExpressionError):
        evaluate(longest, {})


@pytest.mark.parametrize("expression", ["__builtins__", "__import__", "x.__class__", "type(x).__mro__", "x.x.append"])
def test_python_is_out_of_reach(expression: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(expression, {"x": {"x": []}})


def test_text_is_an_expression_when_it_starts_with_an_equals_sign() -> None:
    assert [is_expression(text) for text in ("=a", "  = a", "a", "", "a = b")] == [True, True, False, False, False]
    assert resolve_text("literal {a}", {"a": 1}) == "literal {a}"
    assert resolve_text("= a", {"a": 1}) == 1


def test_comprehensions_that_would_walk_for_minutes_are_refused() -> None:
    numbers = list(range(200))
    assert evaluate("items.map(i, i + 1).size()", {"items": numbers}) == 200
    with pytest.raises(ExpressionError, match="walk more than 20000 steps"):
        evaluate("items.map(a, items.map(b, items.map(c, c))).size()", {"items": numbers})
    with pytest.raises(ExpressionError, match="walk more than 20000 steps"):
        evaluate("items .exists (a, vars.deep.items.all(b, a == b))", {"items": [1], "deep": {"items": numbers}})
