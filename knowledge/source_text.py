"""What reading a file gives: a SourceText, or the error that says why not and what to do."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
"""The media type of DOCX."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ud800-\udfff]")
_LINE_ENDS = re.compile(r"\r\n?|\u2028|\u2029")
_MANY_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class SourceText:
    """A document's text: `title` (never empty), `text` with `#` headings where it had any, and its `media_type`."""

    title: str
    text: str
    media_type: str


class DocumentUnreadable(Exception):
    """A file that cannot be read: its `name`, the `reason`, and the `remedy` for the person who gave it."""

    def __init__(self, name: str, reason: str, remedy: str) -> None:
        super().__init__(f"{name}: {reason}. {remedy}.")
        self.name = name
        self.reason = reason
        self.remedy = remedy


def clean(text: str) -> str:
    """Return `text` with `\\n` line ends, without control characters, in Unicode's composed form (NFC).

    PostgreSQL stores no NUL character, and files from macOS hold Korean in pieces, which no search would find.
    """
    composed = unicodedata.normalize("NFC", _CONTROLS.sub("", _LINE_ENDS.sub("\n", text)))
    return _MANY_EMPTY_LINES.sub("\n\n", "\n".join(line.rstrip() for line in composed.split("\n"))).strip()


def title_from(name: str) -> str:
    """Return a title for a file that has none: its name without folders and ending."""
    return clean(PurePath(name.replace("\\", "/")).stem) or name
