"""Reads a request: what it asks to do (instruction), about what (subject), and the values it came with (inputs)."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

SUBJECT_FIELDS = ("request", "question", "query", "topic", "text", "message", "요청", "질문", "주제")
COMMENT_FIELDS = ("comment", "reviewcomment", "reviewercomment", "feedback", "correction", "의견", "코멘트")
_JSON_START = re.compile(r"^[ \t]*(?P<label>[\w ]{1,40})\s*:\s*(?:```(?:json)?\s*)?(?=[{\[])", re.MULTILINE)
_ABOUT_FORM = re.compile(
    r"\b(?:json|schema|formatt?(?:ed|ing)?|corrected|valid|invalid|cannot be used)\b", re.IGNORECASE
)
_FENCE_END = re.compile(r"\s*```")
_LABELLED = re.compile(
    r"^[ \t]*(?:question|request|query|topic|질문|요청|주제)\s*:[ \t]*(?P<subject>\S.*)$", re.IGNORECASE | re.MULTILINE
)
_WHOLE_INPUT = frozenset(("input", "inputs", "입력"))


@dataclass(frozen=True)
class Request:
    """One request, taken apart.

    `instruction` is the text around its JSON values; `subject` what it is about; `comment` a reviewer's words on an
    earlier try ("" if none); `inputs` its JSON values by name; `rules` the system messages.
    `own_words` tells that the subject is the user's free text, not a named value.
    """

    rules: str
    instruction: str
    subject: str
    comment: str
    inputs: Mapping[str, Any]
    own_words: bool


def read_request(rules: str, asked: str) -> Request:
    """Take apart what was `asked` (under the given `rules`).

    A line such as `Input: {...}` gives values (any other label names one value). The subject is the first value called
    request, question, query, topic, text or message; else a line `Question: ...`; else all of the text.
    """
    instruction, inputs = _without_json(asked)
    subject = _named_text(inputs, SUBJECT_FIELDS)
    comment = _named_text(inputs, COMMENT_FIELDS)
    if subject:
        return Request(rules, instruction, subject, comment, inputs, own_words=False)
    labelled = _LABELLED.search(instruction)
    if labelled:
        around = f"{instruction[: labelled.start()]}{instruction[labelled.end() :]}".strip()
        return Request(rules, around, labelled["subject"].strip(), comment, inputs, own_words=True)
    everything = "\n".join([instruction, *texts_in(inputs)]).strip()
    return Request(rules, instruction, everything, comment, inputs, own_words=True)


def current_request(rules: str, asked: Sequence[str]) -> tuple[int, Request]:
    """Return which of the requests `asked` (one after the other) is to be done, and that request taken apart.

    It is the last; but where that brings no values of its own and an earlier one did ("Shorter, please."), it is
    the earlier one, and what was said since counts as a comment on it, unless it speaks of nothing but the form.
    """
    read = [read_request(rules, text) for text in asked]
    if read[-1].inputs:
        return len(read) - 1, read[-1]
    valued = [place for place, request in enumerate(read) if request.inputs]
    if not valued:
        return len(read) - 1, read[-1]
    place = valued[-1]
    since = [text for text in asked[place + 1 :] if not _ABOUT_FORM.search(text)]
    return place, replace(read[place], comment="\n".join(filter(None, [read[place].comment, *since])))


def same_name(name: str) -> str:
    """Return `name` in the form by which names are compared: `documentId` and `document_id` are one."""
    return re.sub(r"[\W_]", "", name).lower()


def texts_in(value: Any) -> Iterator[str]:
    """Yield every non-empty text in a JSON value, in order."""
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from texts_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_in(part)


def named_values(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield each (compared name, value) of the objects in a JSON value, outer ones first."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield same_name(str(name)), part
        for part in value.values():
            if isinstance(part, Mapping):
                yield from named_values(part)


def _named_text(inputs: Mapping[str, Any], names: tuple[str, ...]) -> str:
    named = list(named_values(inputs))
    for name in names:
        for found, value in named:
            text = "\n".join(texts_in(value)) if found == name else ""
            if text:
                return text
    return ""


def _without_json(text: str) -> tuple[str, dict[str, Any]]:
    """Return `text` without its labelled JSON values, and these values."""
    values: dict[str, Any] = {}
    kept, at = [], 0
    while label := _JSON_START.search(text, at):
        try:
            value, end = json.JSONDecoder().raw_decode(text, label.end())
        except ValueError:
            kept.append(text[at : label.end()])
            at = label.end()
            continue
        kept.append(text[at : label.start()])
        fence = _FENCE_END.match(text, end)
        at = fence.end() if fence else end
        name = label["label"].strip()
        if name.lower() in _WHOLE_INPUT and isinstance(value, dict):
            values |= value
        elif "schema" not in name.lower():
            values[name] = value
    kept.append(text[at:])
    return "".join(kept).strip(), values
