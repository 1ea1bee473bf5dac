"""Takes requests and responses apart for the journal, so that what they share is stored once.

A conversation is sent whole with every call, so storing requests as they are grows with its square. Here each message
is a blob, known by the SHA-256 of its canonical JSON; a list of messages is a chain of nodes, each known by the one
before it and its message (so a list that is one longer costs one node); long texts anywhere are blobs as well, so that
an answer and the message that repeats it share one. What is left is a skeleton with `parts`: where to put what.
`kernel.unpacked` of init.sql puts it together again.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, cast

from kernel.models import Json

_LONG = 256  # characters from which a text is stored once by its hash: below, the reference would be as long
_LISTS = ("messages", "input")
_WHOLE = ("tools",)


def canonical(value: Any) -> bytes:
    """`value` as JSON in one spelling: keys sorted, no spaces, UTF-8.

    Raises ValueError for what JSON cannot hold, RecursionError where it is nested too deep.
    """
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(value: Any) -> str:
    """The SHA-256 of `value` in canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


@dataclass(frozen=True)
class Packed:
    """A value taken apart: `body` with holes, `parts` ({at: path, blob or list: hash}), and content that is new."""

    body: Any
    parts: list[Json]
    blobs: dict[str, Json] = field(default_factory=dict[str, Json])
    lists: dict[str, Json] = field(default_factory=dict[str, Json])

    @property
    def skeleton(self) -> Json:
        """Body and parts: equal for equal values, whatever was known before."""
        return {"body": self.body, "parts": self.parts}


class Packer:
    """Packs the values of one tenant; content it was told of by `remember` is not given again."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def remember(self, packed: Packed) -> None:
        """The content of `packed` is stored."""
        self._known.update(packed.blobs, packed.lists)

    def pack(self, value: Any) -> Packed:
        """Take `value` (JSON as Python reads it) apart. Raises RecursionError where it is nested too deep."""
        return _Packing(self._known).pack(value)


class _Packing:
    def __init__(self, known: set[str]):
        self._known = known
        self._blobs: dict[str, Json] = {}
        self._lists: dict[str, Json] = {}

    def pack(self, value: Any) -> Packed:
        parts: list[Json] = []
        body: Any = self._without_conversation(cast("Json", value), parts) if isinstance(value, dict) else value
        return Packed(self._lift(body, [], parts), parts, self._blobs, self._lists)

    def _without_conversation(self, value: Json, parts: list[Json]) -> Json:
        body = dict(value)
        for name in _LISTS:
            if isinstance(body.get(name), list) and body[name]:
                parts.append({"at": [name], "list": self._list(body[name])})
                body[name] = None
        for name in _WHOLE:
            if body.get(name):
                parts.append({"at": [name], "blob": self._blob(body[name])})
                body[name] = None
        return body

    def _list(self, items: list[Any]) -> str:
        head: str | None = None
        for item in items:
            blob, before = self._blob(item), head
            head = hashlib.sha256(f"{before or ''}{blob}".encode()).hexdigest()
            if head not in self._known:
                self._lists[head] = {"hash": head, "before": before, "blob": blob}
        assert head is not None
        return head

    def _blob(self, value: Any) -> str:
        text = canonical(value)
        name = hashlib.sha256(text).hexdigest()
        if name not in self._known and name not in self._blobs:
            parts: list[Json] = []
            body = value if len(text) < _LONG else self._lift(value, [], parts)
            self._blobs[name] = {"hash": name, "body": body, "parts": parts}
        return name

    def _lift(self, value: Any, path: list[str], parts: list[Json]) -> Any:
        """`value` without its long texts; where they were is added to `parts`."""
        if isinstance(value, str):
            if len(value) < _LONG or not path:
                return value
            parts.append({"at": path, "blob": self._blob(value)})
            return None
        if isinstance(value, dict):
            named = cast("Json", value)
            return {name: self._lift(named[name], [*path, name], parts) for name in sorted(named)}
        if isinstance(value, list):
            items = cast("list[Any]", value)
            return [self._lift(item, [*path, str(place)], parts) for place, item in enumerate(items)]
        return value
