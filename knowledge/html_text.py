"""HTML: its readable text, with headings as `#` lines and list items as `-` lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, PreformattedString, Tag

from knowledge.source_text import SourceText, clean, title_from

_DROPPED = frozenset(
    ("script", "style", "noscript", "template", "nav", "svg", "iframe", "button", "select", "head", "title")
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "figcaption"),
        *("figure", "footer", "form", "header", "hr", "main", "ol", "p", "section", "summary", "table", "ul"),
    )
)
_BEFORE_AND_AFTER = {"li": ("\n- ", "\n"), "tr": ("\n", "\n"), "td": ("", " | "), "th": ("", " | "), "br": ("\n", "")}
_CELLS = ("td", "th")
_XML_PROLOG = re.compile(r"\A\s*<\?xml[^>]*\?>")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class _Mark:
    """Text that a tag stands for, put where the tag ends."""

    text: str


def read_html(name: str, text: str) -> SourceText:
    """Return an HTML file's text without scripts, styles and navigation. The title is its title, else its first h1."""
    soup = BeautifulSoup(_XML_PROLOG.sub("", text), "lxml")
    title = _line(soup.title) or _line(soup.h1) or title_from(name)
    lines = "".join(_texts(soup)).split("\n")
    return SourceText(title, clean("\n".join(line.strip(" |\t") for line in lines)), "text/html")


def _texts(root: Tag) -> Iterator[str]:
    """Yield the texts of a tree in order, with the line ends and marks its tags stand for."""
    pending: list[PageElement | _Mark] = [root]
    while pending:
        node = pending.pop()
        if isinstance(node, _Mark):
            yield node.text
        elif isinstance(node, NavigableString):
            if not isinstance(node, PreformattedString):
                yield _SPACE.sub(" ", node)
        elif isinstance(node, Tag) and node.name not in _DROPPED:
            if node.name in _HEADINGS or node.name == "pre":
                yield _as_one(node)
                continue
            if node.name in _CELLS and _is_plain_cell(node):
                yield f"{' '.join(_line(paragraph) for paragraph in node.find_all('p'))} | "
                continue
            around = ("\n\n", "\n\n") if node.name in _BLOCKS else ("", "")
            before, after = _BEFORE_AND_AFTER.get(node.name, around)
            yield before
            pending += [_Mark(after), *reversed(node.contents)]


def _is_plain_cell(cell: Tag) -> bool:
    """Whether a cell holds paragraphs and nothing else, as word processors write them: its row stays one line."""
    inside = [child for child in cell.contents if not (isinstance(child, NavigableString) and not child.strip())]
    return bool(inside) and all(isinstance(child, Tag) and child.name == "p" for child in inside)


def _as_one(tag: Tag) -> str:
    """Return a heading as its `#` line, preformatted text as it is."""
    if tag.name == "pre":
        return f"\n\n{tag.get_text()}\n\n"
    title = _line(tag)
    return f"\n\n{'#' * int(tag.name[1])} {title}\n\n" if title else ""


def _line(tag: Tag | None) -> str:
    return clean(_SPACE.sub(" ", tag.get_text())) if tag else ""
