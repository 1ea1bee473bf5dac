"""Markdown: kept as it is written, with every heading as a `#` line and the front matter's title taken."""

import re

from knowledge.headings import heading_of, is_fence
from knowledge.source_text import SourceText, clean, title_from

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?P<values>.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(?P<title>.+?)[\"']?[ \t]*$", re.MULTILINE)
_UNDERLINE = re.compile(r"^ {0,3}(?:={2,}|-{3,})[ \t]*$")
_NO_PARAGRAPH = re.compile(r"^\s*(?:[-*+>|#]|\d+[.)]\s|$)|^ {4}")


def read_markdown(name: str, text: str) -> SourceText:
    """Return a Markdown file's text. The title is the front matter's, else the first heading, else the file's name."""
    text = clean(text)
    front = _FRONT_MATTER.match(text)
    titled = _FRONT_TITLE.search(front["values"]) if front else None
    lines = _with_marked_headings(text[front.end() :] if front else text)
    first = next((heading[1] for heading in map(heading_of, lines) if heading), "")
    title = (titled["title"] if titled else first) or title_from(name)
    return SourceText(title, clean("\n".join(lines)), "text/markdown")


def _with_marked_headings(text: str) -> list[str]:
    """Return the lines of `text`, each heading that is underlined (`===`, `---`) written as a `#` line instead."""
    lines: list[str] = []
    in_fence = False
    for line in text.split("\n"):
        if is_fence(line):
            in_fence = not in_fence
        if not in_fence and lines and _UNDERLINE.match(line) and not _NO_PARAGRAPH.match(lines[-1]):
            lines[-1] = f"{'#' if '=' in line else '##'} {lines[-1].strip()}"
        else:
            lines.append(line)
    return lines
