"""Splits a document into chunks for search: each under one heading, about 1200 characters, overlapping a little.

A chunk ends, in this order, at the end of a paragraph, a sentence, a line or a word in its second half; where there is
none (Korean, Japanese and Chinese may have no spaces) at 1200 characters. The overlap lets a sentence be found whose
meaning needs the one before it. The work is linear in the length of the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from knowledge.headings import heading_of, is_fence

LENGTH = 1200
OVERLAP = 150
SHORTEST_REST = 200
"""A rest of a section shorter than this stays with the chunk before it."""

_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+[”’」』)]*\s*")
_SPACE = re.compile(r"\s+")
_ENDS = (re.compile(r"\n\s*\n"), _SENTENCE_END, re.compile(r"\n"), _SPACE)


@dataclass(frozen=True)
class Chunk:
    """A piece of a document: its place (from 0), the headings it stands under (`A > B`, "" if none), its text."""

    index: int
    heading: str
    text: str


def split(text: str) -> list[Chunk]:
    """Return the chunks of `text` in order: none empty, none over 1400 characters; [] for a text without any.

    Headings are lines with `#`. A chunk's text does not repeat its heading, unless there is nothing under it.
    """
    pieces = [(heading, piece) for heading, body in _sections(text) for piece in _pieces(body)]
    return [Chunk(index, heading, piece) for index, (heading, piece) in enumerate(pieces)]


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Yield (heading path, text under it) in order; a heading with nothing under it is its own text."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    in_fence = False
    for line in text.splitlines():
        in_fence ^= is_fence(line)
        heading = None if in_fence else heading_of(line)
        if not heading:
            lines.append(line)
            continue
        level, title = heading
        yield from _section(path, lines, has_parts=bool(path) and level > path[-1][0])
        path = [*(above for above in path if above[0] < level), (level, title)]
        lines = []
    yield from _section(path, lines, has_parts=False)


def _section(path: list[tuple[int, str]], lines: list[str], has_parts: bool) -> Iterator[tuple[str, str]]:
    titles = [title for _, title in path]
    body = "\n".join(lines).strip()
    if not body and titles and not has_parts:
        body = titles[-1]
    if body:
        yield " > ".join(titles), body


def _pieces(body: str) -> Iterator[str]:
    """Yield the pieces of one section's text."""
    start = 0
    while start < len(body):
        end = _end(body, start)
        piece = body[start:end].strip()
        if piece:
            yield piece
        start = end if end == len(body) else _overlap_start(body, end)


def _end(body: str, start: int) -> int:
    """Return where the piece that starts at `start` ends."""
    if len(body) - start <= LENGTH + SHORTEST_REST:
        return len(body)
    middle, latest = start + LENGTH // 2, start + LENGTH
    for ending in _ENDS:
        ends = [found.end() for found in ending.finditer(body, middle, latest)]
        if ends:
            return ends[-1]
    return latest


def _overlap_start(body: str, end: int) -> int:
    """Return where the next piece starts: at a sentence or a word in the last characters of the one before."""
    earliest = end - OVERLAP
    for beginning in (_SENTENCE_END, _SPACE):
        found = beginning.search(body, earliest, end)
        if found and found.end() < end:
            return found.end()
    return earliest
