"""Headings of Markdown text: lines that begin with one to six `#` (CommonMark's ATX headings)."""

import re

_MARKED = re.compile(r"^ {0,3}(?P<marks>#{1,6})[ \t]+(?P<title>.*)$")
_FENCE = re.compile(r"^ {0,3}(?:`{3,}|~{3,})")


def heading_of(line: str) -> tuple[int, str] | None:
    """Return the level (1 to 6) and title of a heading line, or None for any other line."""
    marked = _MARKED.match(line)
    title = marked["title"].strip().rstrip("#").rstrip() if marked else ""
    return (len(marked["marks"]), title) if marked and title else None


def is_fence(line: str) -> bool:
    """Tell whether `line` opens or closes a block of code, in which no line is a heading."""
    return _FENCE.match(line) is not None
