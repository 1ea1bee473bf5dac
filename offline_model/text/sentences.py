"""Sentences of Markdown or plain text, each with the heading it stands under."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(?P<title>.+?)\s*#*$")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_QUOTE_MARK = re.compile(r"^\s*>\s?")
_RULE = re.compile(r"^\s*[-*_=|:\s]{3,}$")
_FENCE = re.compile(r"^\s{0,3}(?:`{3,}|~{3,})")
_INDENTED = re.compile(r"^(?: {4}|\t)")
_SOURCE_LIST = re.compile(r"^\s*(?:sources|출처)\s*:", re.IGNORECASE)
_MARKER = re.compile(r"\s*\[\d{1,3}\]")
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)|[。！？]+[”’」』)]*")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|mr|mrs|ms|dr|no|vs|approx|fig|st)|^\W*\d{1,3}|(?-i:\b[A-Z]))\.$", re.IGNORECASE
)
_LONGEST = 400


@dataclass(frozen=True)
class Sentence:
    """One sentence: its text (white space evened out), its heading ("" if none) and its place in the text (from 0).

    `introduced_by` is the place of the sentence that announces the list this is an item of ("Do this:"), or None.
    """

    text: str
    heading: str
    position: int
    introduced_by: int | None = None


@dataclass(frozen=True)
class _Block:
    """A paragraph or list item on one line."""

    heading: str
    text: str
    is_item: bool


def sentences(text: str) -> list[Sentence]:
    """Return the sentences of `text` in order.

    Headings are context, not sentences; list items and paragraphs end a sentence; code, rules, table rulers, source
    lists and `[1]` markers of an earlier answer are left out. A sentence is at most 400 characters.
    """
    found: list[Sentence] = []
    introduction: int | None = None
    for block in _blocks(text):
        if not block.is_item:
            introduction = None
        for sentence in _split(block.text):
            found.append(Sentence(shortened(sentence, _LONGEST), block.heading, len(found), introduction))
        if not block.is_item and block.text.endswith(":"):
            introduction = len(found) - 1
    return found


def shortened(text: str, limit: int) -> str:
    """Return `text` cut at a word's end to at most `limit` characters, with an ellipsis where it was cut."""
    if len(text) <= limit:
        return text
    cut = text[: max(limit - 1, 0)]
    space = cut.rfind(" ")
    if space > limit // 3:
        cut = cut[:space]
    return (cut.rstrip(" ,;:") + "…")[:limit]


def _blocks(text: str) -> list[_Block]:
    """Return the paragraphs and list items of `text` in order."""
    blocks: list[_Block] = []
    heading, lines, is_item = "", [], False

    def close() -> None:
        block = _MARKER.sub("", " ".join(" ".join(lines).split()))
        if block:
            blocks.append(_Block(heading, block, is_item))
        lines.clear()

    for line in _prose(text):
        title = _HEADING.match(line)
        if title:
            close()
            heading = title["title"]
        elif not line.strip() or _RULE.match(line) or _SOURCE_LIST.match(line):
            close()
        else:
            bare = _QUOTE_MARK.sub("", line)
            if _BULLET.match(bare) or bare.lstrip().startswith("|"):
                close()
            if not lines:
                is_item = _BULLET.match(bare) is not None
            lines.append(_BULLET.sub("", bare).strip(" |"))
    close()
    return blocks


def _prose(text: str) -> Iterator[str]:
    """Yield the lines of `text` that are no code: not fenced, nor indented after an empty line."""
    in_fence, before = False, ""
    for line in text.splitlines():
        if _FENCE.match(line):
            in_fence = not in_fence
            yield ""
        elif not in_fence:
            is_code = not before and _INDENTED.match(line) and not _BULLET.match(line)
            before = "" if is_code else line.strip()
            yield before and line


def _split(block: str) -> list[str]:
    found, start = [], 0
    for end in _END.finditer(block):
        if _ABBREVIATION.search(block[start : end.end()]):
            continue
        found.append(block[start : end.end()].strip())
        start = end.end()
    found.append(block[start:].strip())
    return _with_asides([sentence for sentence in found if any(character.isalnum() for character in sentence)])


def _with_asides(split: list[str]) -> list[str]:
    """Return the sentences with each one that is all in brackets joined to the one before it."""
    joined: list[str] = []
    for sentence in split:
        if joined and sentence.startswith("(") and sentence.endswith(")"):
            joined[-1] += f" {sentence}"
        else:
            joined.append(sentence)
    return joined
