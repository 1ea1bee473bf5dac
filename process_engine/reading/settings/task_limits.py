"""Limits of what an agent's task may use in all its attempts, as task headers say them."""

import re
from typing import Any

from process_engine.reading.settings.extensions import Extensions

LIMIT_HEADERS = {
    "maxModelCalls": "model_calls",
    "maxToolCalls": "tool_calls",
    "maxTokens": "tokens",
    "maxCostUsd": "cost_usd",
    "maxRunSeconds": "run_seconds",
    "maxRepeats": "repeats",
}
"""Headers, and what kernel.check_limits of init.sql calls each limit."""
_MONEY = "maxCostUsd"


def read_limits(task: Extensions) -> dict[str, Any]:
    """The limits that the headers of `task` set, by their names; complains of those that are no limit."""
    limits: dict[str, Any] = {}
    for key, name in LIMIT_HEADERS.items():
        value = task.header(key)
        if value is None:
            continue
        number = _number(value.strip(), with_fraction=key == _MONEY)
        if number is None:
            what = "an amount such as 0.50" if key == _MONEY else "a whole number"
            at = task.headers[key]
            task.complain(f"has the header {key} {value!r}; it is {what}, above 0 and below 1000000000", at=at)
        else:
            limits[name] = number
    return limits


def _number(text: str, with_fraction: bool) -> float | int | None:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?" if with_fraction else r"[0-9]{1,9}", text):
        return None
    number = float(text) if with_fraction else int(text)
    return number or None
