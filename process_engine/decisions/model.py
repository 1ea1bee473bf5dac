"""What a decision is, in plain JSON: the stored form of a DMN decision and of those it requires."""

from typing import Literal, TypedDict

from process_engine.decisions.unary_tests import Cell
from process_engine.values.plain_json import Json

HitPolicy = Literal["UNIQUE", "ANY", "FIRST", "PRIORITY", "RULE ORDER", "OUTPUT ORDER", "COLLECT"]
Aggregation = Literal["SUM", "COUNT", "MIN", "MAX"]


class Input(TypedDict):
    """A column of conditions: `expression` is CEL; `allowed` is what its values may be, None: anything."""

    label: str
    expression: str
    allowed: Cell | None


class Output(TypedDict):
    """A column of results. `values` are the allowed ones, the most important first; `default` is CEL, or None."""

    name: str
    values: list[Json]
    default: str | None


class Rule(TypedDict):
    """A row: one cell for each input, one expression (CEL) for each output."""

    id: str
    cells: list[Cell]
    outputs: list[str]


class Table(TypedDict):
    """A decision table (DMN 1.3, clause 8)."""

    hit_policy: HitPolicy
    aggregation: Aggregation | None
    inputs: list[Input]
    outputs: list[Output]
    rules: list[Rule]


class Decision(TypedDict):
    """One decision: a `table`, or an `expression` (CEL).

    `requires` are the ids of the decisions that are made before it; the answer of each is the variable `variable`.
    """

    name: str
    variable: str
    requires: list[str]
    table: Table | None
    expression: str | None


class DecisionSpec(TypedDict):
    """A decision that can be asked, with all it requires, by id; those that are required come first."""

    decision: str
    decisions: dict[str, Decision]
