"""Makes a decision: a pure function of its stored form and the variables."""

from typing import Any, cast

from process_engine.decisions.hit_policies import Hit, answer
from process_engine.decisions.model import Decision, DecisionSpec, Table
from process_engine.decisions.unary_tests import holds
from process_engine.values import expressions
from process_engine.values.errors import ExpressionError
from process_engine.values.plain_json import Json


def evaluate(spec: dict[str, Json], variables: dict[str, Json]) -> Json:
    """Make the decision of `spec`, a `DecisionSpec`, over `variables`; first those it requires.

    Raises:
        ExpressionError: an expression cannot be evaluated, an input has a value that is not allowed, or the rules that
            match break the hit policy. The message names the rule or column.
    """
    whole = cast(DecisionSpec, spec)
    answers: dict[str, Json] = {}
    for decision_id, decision in whole["decisions"].items():
        required = {whole["decisions"][one]["variable"]: answers[one] for one in decision["requires"]}
        answers[decision_id] = _make(decision, {**variables, **required})
    return answers[whole["decision"]]


def _make(decision: Decision, seen: dict[str, Json]) -> Json:
    if decision["table"] is None:
        return expressions.evaluate(str(decision["expression"]), seen)
    table = decision["table"]
    values = [_input(column, seen) for column in table["inputs"]]
    hits = [
        _hit(table, rule, seen)
        for rule in table["rules"]
        if all(holds(cell, value, seen) for cell, value in zip(rule["cells"], values, strict=True))
    ]
    defaults = [_value(output["default"], seen) for output in table["outputs"]] if not hits else []
    return answer(table, hits, defaults)


def _input(column: Any, seen: dict[str, Json]) -> Json:
    value = expressions.evaluate(column["expression"], seen)
    if column["allowed"] is not None and not holds(column["allowed"], value, seen):
        raise ExpressionError(f"the input {column['label']!r} is {value!r}, which is not among its input values")
    return value


def _hit(table: Table, rule: Any, seen: dict[str, Json]) -> Hit:
    try:
        return rule["id"], [_value(text, seen) for text in rule["outputs"]]
    except ExpressionError as error:
        raise ExpressionError(f"rule {rule['id']!r}: {error}") from error


def _value(text: str | None, seen: dict[str, Json]) -> Json:
    return expressions.evaluate(text, seen) if text else None
