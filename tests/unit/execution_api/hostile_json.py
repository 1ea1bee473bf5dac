"""Random JSON bodies as somebody would send who wants to break something."""

import json
import random
from typing import Any

SQL = [
    "'; drop table public.todolist; --",
    "' or '1'='1",
    '"; delete from public.events where "1"="1',
    "$$; select pg_sleep(60); $$",
    "1); truncate public.tenants cascade; --",
    "%s %(x)s {} \\'",
]
VALUES: list[Any] = [
    *SQL, None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**300, -(10**300), 1e308, 5e-324, 0.1, "", " ", "a" * 5000,
    "\0", "a\0b", "\ud800", "\udfff x", "\u202e", "\ufeff", "한국어", "😀", [], {}, [[]], [None], {"": ""}, {"\0": 1},
    {"a" * 300: 1}, {"__proto__": {}}, {"$ref": "#/x"}, "NaN", "2026-13-45", "00000000-0000-0000-0000-000000000000",
]  # fmt: skip


def mutated(body: Any, chance: random.Random) -> bytes:
    """`body` with one to three places replaced, dropped or added; sometimes no JSON any more."""
    text = json.dumps(body)
    for _ in range(chance.choice([1, 1, 2, 3])):
        body = _changed(json.loads(text), chance)
        text = json.dumps(body)
    kind = chance.randrange(20)
    if kind == 0:
        text = text[: chance.randrange(len(text))]
    elif kind == 1:
        text = text.replace(":", ":" + chance.choice(["NaN,", "-Infinity", "1e999", "9" * 5000, "0x1", "\t"]), 1)
    elif kind == 2:
        depth = chance.choice([50, 99, 101, 5_000, 100_000])
        text = text.replace(":", ":" + "[" * depth + "]" * depth + ',"x":', 1)
    data = text.encode("utf-8", "surrogatepass")
    return data.replace(b"a", b"\xff\xfe", 1) if kind == 3 else data


def _changed(body: Any, chance: random.Random) -> Any:
    """`body` with one change: at its top, or somewhere in it."""
    if not isinstance(body, dict | list) or not body or chance.random() < 0.05:
        return chance.choice(VALUES)
    key = chance.choice(list(body) if isinstance(body, dict) else range(len(body)))
    kind = chance.randrange(8)
    if kind == 0:
        del body[key]
    elif kind == 1 and isinstance(body, dict):
        body[chance.choice(["x", "", "tenant_id", "a\0b", *SQL])] = chance.choice(VALUES)
    else:
        body[key] = _changed(body[key], chance)
    return body
