"""Passages: the pieces of text the model was given to answer from, taken out of tool results and input values."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from offline_model.evidence.request import same_name

_TEXT_FIELDS = ("text", "content", "quote", "snippet", "body", "passage", "memory", "summary", "answer", "description")
_TITLE_FIELDS = ("title", "name", "heading", "filename")
_SOURCE_FIELDS = ("source", "url", "uri", "link", "path", "filename", "documentid", "id")
_NAMING_FIELDS = ("documentid", "url", "uri", "source")
_KEY_FIELDS = (*_NAMING_FIELDS, "id")
_LABELS = frozenset((*_TITLE_FIELDS, *_SOURCE_FIELDS, *_KEY_FIELDS, "number", "score", "chunk"))
_ERROR_STARTS = ("error", "traceback", "exception")


@dataclass(frozen=True)
class Passage:
    """A piece of text and where it is from.

    `key` tells documents apart (two passages of one document share it); `record` is the JSON object it was found in
    (empty for plain text).
    """

    text: str
    title: str
    source: str
    key: str
    record: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How a reader is told where it is from: `Title (source)`, or one of them when they are the same."""
        return self.title if self.title == self.source else f"{self.title} ({self.source})"


def parsed(text: str) -> Any:
    """Return the JSON value a tool result holds (through MCP's `{"type": "text"}` wrapping), else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) and value[0].get("type") == "text":
        return parsed(str(value[0].get("text", "")))
    return value


def error_in(value: Any) -> str:
    """Return the error message a parsed tool result reports, or "" when it reports none."""
    if isinstance(value, str):
        return value.strip() if value.strip().lower().startswith(_ERROR_STARTS) else ""
    if isinstance(value, Mapping) and value.get("error"):
        error = value["error"]
        return str(error.get("message", error) if isinstance(error, Mapping) else error)
    return ""


def passages_in(value: Any, origin: str) -> list[Passage]:
    """Return the passages of a parsed tool result or input value in order.

    `origin` names what gave it (a tool, an input): the title and source where the value itself names none. An object
    without any text becomes one passage of its plain values ("temperature: 21; city: Seoul"), unless these only name a
    document.
    """
    return list(_walk(value, origin))


def documents_in(value: Any) -> list[Passage]:
    """Return each object of a JSON value that names a document by id, address or source, once, whatever its text."""
    found: dict[str, Passage] = {}
    if isinstance(value, Mapping) and (key := _first(value, _NAMING_FIELDS)):
        found[key] = _passage(value, _first(value, _TEXT_FIELDS), key)
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            for passage in documents_in(part):
                found.setdefault(passage.key, passage)
    return list(found.values())


def distinct(passages: Iterable[Passage]) -> list[Passage]:
    """Return `passages` in order, each text of a document once."""
    first: dict[tuple[str, str], Passage] = {}
    for passage in passages:
        first.setdefault((passage.key, passage.text), passage)
    return list(first.values())


def _walk(value: Any, origin: str) -> Iterator[Passage]:
    if isinstance(value, str):
        if value.strip():
            yield Passage(value, origin, origin, origin)
    elif isinstance(value, list):
        for part in value:
            yield from _walk(part, origin)
    elif isinstance(value, Mapping):
        yield from _of_object(value, origin)


def _of_object(value: Mapping[str, Any], origin: str) -> Iterator[Passage]:
    text = _first(value, _TEXT_FIELDS)
    if text:
        yield _passage(value, text, origin)
        return
    inner = [part for part in value.values() if isinstance(part, (Mapping, list))]
    if inner:
        for part in inner:
            yield from _walk(part, origin)
        return
    if {same_name(str(name)) for name in value} <= _LABELS:
        return
    plain = "; ".join(f"{name}: {part}" for name, part in value.items() if part not in (None, ""))
    if plain:
        yield _passage(value, plain, origin)


def _passage(record: Mapping[str, Any], text: str, origin: str) -> Passage:
    title = _first(record, _TITLE_FIELDS) or _first(record, _SOURCE_FIELDS) or origin
    source = _first(record, _SOURCE_FIELDS) or origin
    return Passage(text, title, source, _first(record, _KEY_FIELDS) or title, record)


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    named = {same_name(str(name)): value for name, value in record.items()}
    return next((str(named[name]) for name in names if isinstance(named.get(name), (str, int)) and named[name]), "")
