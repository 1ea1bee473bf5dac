"""From the rows of a decision table that match to its answer (DMN 1.3, clause 8.2.11)."""

from typing import Any

from process_engine.decisions.model import Aggregation, Table
from process_engine.decisions.unary_tests import type_of
from process_engine.values.errors import ExpressionError
from process_engine.values.plain_json import Json

Hit = tuple[str, list[Json]]
"""The id of a row that matches and the values of its outputs."""


def answer(table: Table, hits: list[Hit], defaults: list[Json]) -> Json:
    """The answer of a table.

    Args:
        table: the table.
        hits: the rows that match, in the order of the table.
        defaults: the default value of each output, used when no row matches.

    Returns:
        One value where there is one output, an object by output name where there are several; of the policies rule
        order, output order and collect a list of these, or the aggregate.

    Raises:
        ExpressionError: the hits break the policy: several of a unique table, different ones of an any table, an
            output that has no place among the allowed values, a sum over text.
    """
    policy = table["hit_policy"]
    if policy in ("RULE ORDER", "COLLECT") and table["aggregation"] is None:
        return [_row(table, values) for _, values in hits]
    if policy == "OUTPUT ORDER":
        return [_row(table, values) for _, values in _by_importance(table, hits)]
    if policy == "COLLECT":
        return _aggregate(table["aggregation"], [values[0] for _, values in hits])
    if not hits:
        return _row(table, defaults)
    if policy == "UNIQUE" and len(hits) > 1:
        raise ExpressionError(f"the hit policy is unique, but {len(hits)} rules match: {_names(hits)}")
    if policy == "ANY" and any(values != hits[0][1] for _, values in hits):
        raise ExpressionError(f"the hit policy is any, but the rules that match differ: {_names(hits)}")
    first = _by_importance(table, hits)[0] if policy == "PRIORITY" else hits[0]
    return _row(table, first[1])


def _names(hits: list[Hit]) -> str:
    return ", ".join(name for name, _ in hits[:10])


def _row(table: Table, values: list[Json]) -> Json:
    if len(values) == 1:
        return values[0]
    return {output["name"]: value for output, value in zip(table["outputs"], values, strict=True)}


def _by_importance(table: Table, hits: list[Hit]) -> list[Hit]:
    """By the place of each output among the allowed values, the first output first; equal ones in the table's order."""

    def importance(hit: Hit) -> list[int]:
        return [_place(output["name"], output["values"], value)
                for output, value in zip(table["outputs"], hit[1], strict=True) if output["values"]]  # fmt: skip

    return sorted(hits, key=importance)


def _place(name: str, allowed: list[Json], value: Json) -> int:
    for place, one in enumerate(allowed):
        if type_of(one) == type_of(value) and one == value:
            return place
    raise ExpressionError(f"the output {name!r} is {value!r}, which is not among its output values")


def _aggregate(aggregation: Aggregation | None, values: list[Any]) -> Json:
    if aggregation == "COUNT":
        return len(values)
    if any(type_of(value) != "number" for value in values):
        raise ExpressionError(f"{aggregation} is over numbers; the rules that match give {values!r}"[:500])
    if not values:
        return None
    return {"SUM": sum, "MIN": min, "MAX": max}[str(aggregation)](values)
