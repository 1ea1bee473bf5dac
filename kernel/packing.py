"""Takes requests and responses apart for the journal, so that what they share is stored once.

A conversation is sent whole with every call, so storing requests as they are grows with its square. Here each message
is a blob, known by the SHA-256 of its canonical JSON; a list of messages is a chain of nodes, each known by the one
before it and its message (so a list that is one longer costs one node); long texts anywhere are blobs as well, so that
an answer and the message that repeats it share one. What is left is a skeleton with `parts`: where to put what.
`kernel.unpacked` of init.sql puts it together again.

Working a conversation through anew with each call would take time that grows with its square as well. So what a message
came to is kept, and a message that was in an earlier request costs one hash of what was sent.
"""

import hashlib
import json
import marshal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from kernel.models import Json

_LONG = 256  # characters from which a text is stored once by its hash: below, the reference would be as long
_LISTS = ("messages", "input")
_WHOLE = ("tools",)
_MOST_PIECES = 20_000  # about 10 MB
_Clean = Callable[[Any], Any]


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


@dataclass
class _Piece:
    """What a message, or a set of tools, came to: its hash, and the blobs it takes as long as they are not stored."""

    name: str
    blobs: dict[str, Json]


class Packer:
    """Packs the values of one run of a task; content it was told of by `remember` is not given again."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._pieces: dict[bytes, _Piece] = {}
        self._edition = 0

    def remember(self, packed: Packed) -> None:
        """The content of `packed` is stored."""
        self._known.update(packed.blobs, packed.lists)

    def unseen(self, request: Json) -> Json:
        """`request` without the messages that an earlier one had."""
        lists = {name: cast("list[Any]", request[name]) for name in _LISTS if isinstance(request.get(name), list)}
        new = {name: [i for i in items if _fingerprint(i) not in self._pieces] for name, items in lists.items()}
        return {**request, **new}

    def pack_request(self, request: Json, clean: _Clean, edition: int) -> Packed:
        """Take `request` apart, and apply `clean` to each message, to the tools and to what is left. What it made of a
        message is kept as long as `edition` is the same. Raises RecursionError where it is nested too deep."""
        if edition != self._edition:
            self._pieces.clear()
            self._edition = edition
        return _Packing(self, clean).pack(request)

    def pack(self, value: Any) -> Packed:
        """Take `value` (JSON as Python reads it) apart. Raises RecursionError where it is nested too deep."""
        return _Packing(self, None).pack(value)

    def knows(self, name: str) -> bool:
        """Whether the blob or node of this hash is stored."""
        return name in self._known

    def piece(self, value: Any, clean: _Clean) -> _Piece:
        """What `value` comes to when it is cleaned."""
        fingerprint = _fingerprint(value)
        piece = self._pieces.get(fingerprint)
        if piece is None:
            packing = _Packing(self, None)
            piece = _Piece(packing.blob(clean(value)), packing.blobs)
            if len(self._pieces) >= _MOST_PIECES:
                self._pieces.clear()
            self._pieces[fingerprint] = piece
        elif piece.blobs:
            piece.blobs = {name: blob for name, blob in piece.blobs.items() if name not in self._known}
        return piece


class _Packing:
    def __init__(self, packer: Packer, clean: _Clean | None):
        self._packer = packer
        self._clean = clean
        self.blobs: dict[str, Json] = {}
        self._lists: dict[str, Json] = {}

    def pack(self, value: Any) -> Packed:
        parts: list[Json] = []
        body: Any = self._without_conversation(cast("Json", value), parts) if isinstance(value, dict) else value
        if self._clean is not None:
            body = self._clean(body)
        return Packed(self._lift(body, [], parts), parts, self.blobs, self._lists)

    def _without_conversation(self, value: Json, parts: list[Json]) -> Json:
        body = dict(value)
        for name in _LISTS:
            if isinstance(body.get(name), list) and body[name]:
                parts.append({"at": [name], "list": self._list(body[name])})
                body[name] = None
        for name in _WHOLE:
            if body.get(name):
                parts.append({"at": [name], "blob": self._part(body[name])})
                body[name] = None
        return body

    def _list(self, items: list[Any]) -> str:
        head: str | None = None
        for item in items:
            blob, before = self._part(item), head
            head = hashlib.sha256(f"{before or ''}{blob}".encode()).hexdigest()
            if not self._packer.knows(head):
                self._lists[head] = {"hash": head, "before": before, "blob": blob}
        assert head is not None
        return head

    def _part(self, value: Any) -> str:
        if self._clean is None:
            return self.blob(value)
        piece = self._packer.piece(value, self._clean)
        self.blobs.update(piece.blobs)
        return piece.name

    def blob(self, value: Any) -> str:
        """The hash of `value`, which is among the blobs now where it was not known."""
        text = canonical(value)
        name = hashlib.sha256(text).hexdigest()
        if name not in self.blobs and not self._packer.knows(name):
            parts: list[Json] = []
            body = value if len(text) < _LONG else self._lift(value, [], parts)
            self.blobs[name] = {"hash": name, "body": body, "parts": parts}
        return name

    def _lift(self, value: Any, path: list[str], parts: list[Json]) -> Any:
        """`value` without its long texts; where they were is added to `parts`."""
        if isinstance(value, str):
            if len(value) < _LONG or not path:
                return value
            parts.append({"at": path, "blob": self.blob(value)})
            return None
        if isinstance(value, dict):
            named = cast("Json", value)
            return {name: self._lift(named[name], [*path, name], parts) for name in sorted(named)}
        if isinstance(value, list):
            items = cast("list[Any]", value)
            return [self._lift(item, [*path, str(place)], parts) for place, item in enumerate(items)]
        return value


def _fingerprint(value: Any) -> bytes:
    # marshal is the quickest spelling that keeps 1, 1.0 and True apart. It leaves the process nowhere.
    try:
        return hashlib.sha256(marshal.dumps(value, 2)).digest()
    except ValueError:
        raise RecursionError("nested too deep") from None
