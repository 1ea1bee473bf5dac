"""Checks that a value is plain JSON and copies it, so that no step shares an object with its caller."""

import math
from typing import Any

from process_engine.values.errors import NotPlainJson

Json = Any
"""None, bool, int, finite float, str, list of Json, or dict from str to Json."""

DEEPEST_NESTING = 100


def plain_copy(value: Json, what: str) -> Json:
    """Copy `value` in depth.

    Args:
        value: anything.
        what: the name of the value in error messages, such as "output".

    Returns:
        An equal value that shares no list or dict with the argument; the keys of a dict keep their order.

    Raises:
        NotPlainJson: on NaN and infinities (JSON has none), on keys that are not text, on other types (dates,
            bytes), and on nesting deeper than 100.
    """
    return _copy(value, what, DEEPEST_NESTING)


def _copy(value: Json, where: str, depth: int) -> Json:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _finite(value, where)
    if depth == 0:
        raise NotPlainJson(f"{where} is nested deeper than {DEEPEST_NESTING} levels")
    if isinstance(value, list):
        return [_copy(item, f"{where}[{index}]", depth - 1) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {_text(key, where): _copy(item, f"{where}.{key}", depth - 1) for key, item in value.items()}
    raise NotPlainJson(f"{where} is a {type(value).__name__}, which JSON does not have; make it text or a number")


def _finite(value: float, where: str) -> float:
    if not math.isfinite(value):
        raise NotPlainJson(f"{where} is {value}, which JSON does not have")
    return value


def _text(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise NotPlainJson(f"{where} has the key {key!r}; keys must be text")
    return key
