"""Makes what strangers sent fit to store: PostgreSQL's JSON holds no U+0000, no half of a surrogate pair and no NaN."""

import math
from typing import Any


def storable(value: Any) -> Any:
    """`value` (JSON as Python reads it): U+0000 shown as a symbol, lone surrogates as "?", NaN and infinity as text.

    Raises RecursionError where it is nested deeper than Python goes.
    """
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {storable(str(name)): storable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [storable(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
