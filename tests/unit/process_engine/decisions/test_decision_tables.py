"""Decision tables: which rows match (S-FEEL), and what the hit policy makes of them (DMN 1.3, clause 8.2.11)."""

import json
from typing import Any

import pytest
from dmn_writing import dmn, table

from process_engine.decisions.evaluation import evaluate
from process_engine.decisions.reader import parse_decisions
from process_engine.values.errors import DefinitionInvalid, ExpressionError


def made(content: str, decision: str = "d", **variables: Any) -> Any:
    spec = {one.id: one.spec for one in parse_decisions(dmn(content))}[decision]
    return evaluate(json.loads(json.dumps(spec)), variables)


@pytest.mark.parametrize(
    ("cell", "value", "matches"),
    [
        ("-", None, True), ("", 1, True),
        ("5", 5, True), ("5", 5.0, True), ("5", "5", False), ("-5", -5, True), (".5", 0.5, True), ("1", True, False),
        ('"gold"', "gold", True), ('"gold"', "Gold", False), ('"a", "b"', "b", True), ('"a\\"b"', 'a"b', True),
        ("true", True, True), ("false", True, False), ("null", None, True), ("null", 0, False),
        ("< 5", 4, True), ("< 5", 5, False), ("<= 5", 5, True), ("> 5", 6, True), (">= 5.5", 5.5, True),
        ("[1..5]", 1, True), ("[1..5]", 5, True), ("(1..5)", 1, False), ("(1..5)", 5, False), ("]1..5[", 3, True),
        ("]1..5]", 5, True), ("[1..5[", 5, False), ("[1.5..2.5]", 2, True), ("[-3..-1]", -2, True),
        ("< 3, > 8", 9, True), ("< 3, > 8", 5, False), ("[1..2], 7", 7, True),
        ('not("a", "b")', "c", True), ('not("a", "b")', "b", False), ("not(< 3)", 3, True),
        ('["a".."c"]', "b", True), ("< 5", None, False), ("[1..5]", None, False), ("= 5", 5, True),
        ("limit", 10, True), ("< limit", 9, True), ("[0..order.most]", 7, True), ("order.most", 6, False),
        ('date("2030-01-31")', "2030-01-31", True), ('< date("2030-01-31")', "2030-01-30", True),
        ('[date("2030-01-01")..date("2030-12-31")]', "2031-01-01", False),
        ('> date and time("2030-01-31T09:00:00Z")', "2030-01-31T10:30:00+01:00", True), ("not(null)", 1, True),
        ('"이"', "이", True),
    ],
)  # fmt: skip
def test_a_cell_matches_what_s_feel_says(cell: str, value: Any, matches: bool) -> None:
    content = table(["x"], ["y"], [f"{cell} => true", "- => false"], "FIRST")
    assert made(content, x=value, limit=10, order={"most": 7}) is matches


@pytest.mark.parametrize(
    ("cell", "value", "reason"),
    [
        ("< 5", "4", "'4' cannot be compared with `< 5`: text and number"),
        ("> true", True, "cannot be compared"),
        ("missing", 1, "there is no 'missing'"),
        ("order.missing", 1, "`order.missing`: there is no 'missing'"),
        ('> date("2030-01-31")', "soon", "'soon' is no ISO 8601 date"),
        ('> date and time("2030-01-31T09:00:00Z")', "2030-01-31T09:00:00", "is no ISO 8601 date with time and offset"),
    ],
)
def test_what_has_no_order_is_an_error_and_not_false(cell: str, value: Any, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason.replace("(", r"\(")):
        made(table(["x"], ["y"], [f"{cell} => true"]), x=value, order={})


@pytest.mark.parametrize(
    "cell",
    [
        "5 6", "a b", "5,", "[1..", "[1,2]", "not(5", "< ", "..", "? > 5", "5 + 1", '"open', "f(5)", "'single'", "{}",
        'date("tomorrow")', "date(5)", 'date and time("2030-01-31")', 'duration("P1D")', "x[1]", "1..5", "- 5", "not",
        "[5]", "((1..2))", "<> 5", "in (1,2)", "5;6", "a.", "__import__('os')", "5" * 2001,
    ],
)  # fmt: skip
def test_a_cell_that_is_no_simple_unary_test_is_refused_with_its_line(cell: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse_decisions(dmn(table(["x"], ["y"], [f"{cell.replace(';', '%')} => true"])))
    (problem,) = caught.value.problems
    assert (problem.element_id, problem.line) == ("d", 6)
    assert problem.message.startswith("decision 'd' (line 2) has a cell that cannot be read: ")


RULES = ["[0..10] => 'small' ; 1", "[5..20] => 'medium' ; 2", "[8..99] => 'large' ; 3"]


@pytest.mark.parametrize(
    ("policy", "x", "answer"),
    [
        ("UNIQUE", 2, {"size": "small", "n": 1}),
        ("UNIQUE", 1000, {"size": None, "n": None}),
        ("FIRST", 9, {"size": "small", "n": 1}),
        ("PRIORITY", 9, {"size": "large", "n": 3}),
        ("RULE ORDER", 9, [{"size": "small", "n": 1}, {"size": "medium", "n": 2}, {"size": "large", "n": 3}]),
        ("OUTPUT ORDER", 9, [{"size": "large", "n": 3}, {"size": "medium", "n": 2}, {"size": "small", "n": 1}]),
        ("COLLECT", 6, [{"size": "small", "n": 1}, {"size": "medium", "n": 2}]),
        ("COLLECT", 1000, []),
    ],
)
def test_the_hit_policy_chooses_among_the_rows_that_match(policy: str, x: int, answer: Any) -> None:
    size = 'size | "large", "medium", "small"' if policy in ("PRIORITY", "OUTPUT ORDER") else "size"
    assert made(table(["x"], [size, "n"], RULES, policy), x=x) == answer


def test_several_rows_of_a_unique_table_and_different_ones_of_an_any_table_are_errors() -> None:
    with pytest.raises(ExpressionError, match="the hit policy is unique, but 3 rules match: r1, r2, r3"):
        made(table(["x"], ["size", "n"], RULES), x=9)
    with pytest.raises(ExpressionError, match="the hit policy is any, but the rules that match differ: r1, r2"):
        made(table(["x"], ["size", "n"], RULES, "ANY"), x=6)
    assert made(table(["x"], ["y"], ["> 1 => 'a'", "> 2 => 'a'"], "ANY"), x=3) == "a"


@pytest.mark.parametrize(
    ("aggregation", "answer", "of_none"), [("SUM", 7.5, None), ("COUNT", 3, 0), ("MIN", 1, None), ("MAX", 4.5, None)]
)
def test_collect_may_aggregate(aggregation: str, answer: Any, of_none: Any) -> None:
    content = table(["x"], ["y"], ["> 0 => 1", "> 0 => 2", "> 0 => 4.5"], f"COLLECT+{aggregation}")
    assert made(content, x=1) == answer
    assert made(content, x=0) == of_none


def test_defaults_are_given_where_no_row_matches() -> None:
    assert made(table(["x"], ["y | | 'none'"], ["1 => 'one'"]), x=2) == "none"


def test_a_value_that_is_not_among_the_input_values_is_an_error() -> None:
    content = table(['x | "a", "b"'], ["y"], ["- => 1"])
    assert made(content, x="a") == 1
    with pytest.raises(ExpressionError, match="the input 'x' is 'c', which is not among its input values"):
        made(content, x="c")


def test_inputs_and_outputs_are_expressions() -> None:
    content = table(["size(order.lines)", "order.total * 2.0"], ["y"], ["> 1 ; >= 10 => order.total + 1.0"])
    assert made(content, order={"lines": [1, 2], "total": 5.0}) == 6.0


def required(decision: str) -> str:
    return f'<informationRequirement><requiredDecision href="#{decision}"/></informationRequirement>'


def test_a_decision_sees_the_answers_of_those_it_requires() -> None:
    content = "\n".join(
        [
            table(["risk"], ["y"], ['"high" => false', '"low" => true'], decision="grant", more=required("risk")),
            table(["age"], ["z"], ["< 25 => 'high'", ">= 25 => 'low'"], decision="risk"),
            '<decision id="twice" name="twice"><literalExpression><text>age * 2</text></literalExpression></decision>',
        ]
    )
    assert made(content, "grant", age=30) is True
    assert made(content, "risk", age=20) == "high"
    assert made(content, "twice", age=20) == 40


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "holds no decision"),
        ('<decision id="d" name="d"/>', "must hold one decisionTable or one literalExpression"),
        ('<decision id="d" name="d"><invocation/></decision>', "with invocation is not supported; use a decisionTable"),
        (table(["x"], [], ["1 =>"]), "has a table without an output"),
        (table([""], ["y"], ["1 => 1"]), "without an inputExpression"),
        (table(["Applicant Age"], ["y"], ["1 => 1"]), "has an expression that cannot be run"),
        (table(["x"], ["y"], ["1 => import os"]), "has an expression that cannot be run"),
        (table(["x"], ["y"], ["1 => 1"], "BEST"), "has the hit policy 'BEST'; it is one of UNIQUE"),
        (table(["x"], ["y"], ["1 => 1"], "PRIORITY"), "needs outputValues to order by"),
        (table(["x"], ["y"], ["1 => 1"], "FIRST+SUM"), "has the aggregation 'SUM'; COLLECT may have"),
        (table(["x"], ["y", "z"], ["1 => 1 ; 2"], "COLLECT+SUM"), "aggregates several outputs"),
        (table(["x"], ["y", "y"], ["1 => 1 ; 2"]), "each needs a name of its own"),
        (table(["x"], ["y"], ["1 ; 2 => 1"]), "with another number of cells than the table"),
        (table(["x"], ["y | [1..2]"], ["1 => 1"]), "has outputValues that are no list of literals"),
        (table(["x"], ["y"], ["1 => 1"]).replace("<inputEntry>", '<inputEntry expressionLanguage="javascript">'),
         "has an expression in 'javascript'"),
        (table(["x"], ["y"], ["1 => 1"], more=required("q")),
         "requires the decision 'q', which is not in the file"),
        (table(["x"], ["y"], ["1 => 1"], more=required("d")),
         "requires itself"),
        (table(["x"], ["y"], ["1 => 1"], decision="a b"), "needs an id"),
        (table(["x"], ["y"], ["1 => 1"] * 10_001), "at most 20000 cells may be"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_run_is_refused_with_what_is_wrong(content: str, complaint: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse_decisions(dmn(content))
    assert complaint in str(caught.value)
    assert caught.value.problems[0].line is not None


@pytest.mark.parametrize(
    "xml",
    [b"", b"<definitions/>", b"not xml", b'<!DOCTYPE d [<!ENTITY a "b">]><definitions/>', b"<definitions" * 10],
)
def test_what_is_no_dmn_is_refused(xml: bytes) -> None:
    with pytest.raises(DefinitionInvalid):
        parse_decisions(xml)
