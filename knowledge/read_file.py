"""Reads a file by what it is: its content where that tells, else the ending of its name."""

import re
from pathlib import PurePath

from knowledge.html_text import read_html
from knowledge.markdown_text import read_markdown
from knowledge.pdf_text import read_pdf
from knowledge.source_text import DocumentUnreadable, SourceText, clean, title_from
from knowledge.text_encoding import decoded, decoded_html, is_binary

LARGEST_FILE = 50 * 1024 * 1024
"""The most bytes a file may have."""

_MARKDOWN_ENDINGS = (".md", ".markdown", ".mdown", ".mkd")
_HTML_ENDINGS = (".html", ".htm", ".xhtml")
_HTML_START = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
_PDF_MARK = b"%PDF-"
_HEAD = 1024
_FOREIGN = (
    (b"PK\x03\x04", "an Office or ZIP file"),
    (b"\xd0\xcf\x11\xe0", "an old Office or Hangul (HWP) file"),
    (b"{\\rtf", "an RTF file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file"),
)
_SUPPORTED = "Save it as PDF, Markdown, plain text or HTML"


def read(name: str, data: bytes) -> SourceText:
    """Return the text of the file called `name` (at most 50 MB) with these bytes.

    Raises `DocumentUnreadable` for a file that is too large, empty, damaged, locked by a password, scanned without
    text, or of a kind this cannot read.
    """
    _check_size(name, data)
    ending = PurePath(name.replace("\\", "/")).suffix.lower()
    source = _read_kind(name, ending, data)
    if not source.text:
        raise DocumentUnreadable(name, "the file holds no text", "Check that it is the right file")
    return source


def _check_size(name: str, data: bytes) -> None:
    if not data.strip():
        raise DocumentUnreadable(name, "the file is empty", "Check that it is the right file")
    if len(data) > LARGEST_FILE:
        size = f"{len(data) / 1024 / 1024:.1f} MB"
        raise DocumentUnreadable(name, f"the file has {size}, more than 50 MB", "Split it into smaller files")


def _read_kind(name: str, ending: str, data: bytes) -> SourceText:
    head = data[:_HEAD].lstrip()
    if head.startswith(_PDF_MARK) or (ending == ".pdf" and _PDF_MARK in head):
        return read_pdf(name, data)
    if ending == ".pdf":
        raise DocumentUnreadable(name, "the file is called .pdf but is no PDF", "Open it and save it as PDF again")
    foreign = next((kind for mark, kind in _FOREIGN if data.startswith(mark)), "")
    if foreign or is_binary(data):
        raise DocumentUnreadable(name, f"{foreign or 'a file that is not text'} cannot be read", _SUPPORTED)
    if ending in _MARKDOWN_ENDINGS:
        return read_markdown(name, decoded(data))
    if b"<" in data and (ending in _HTML_ENDINGS or _HTML_START.match(head)):
        return read_html(name, decoded_html(data))
    return SourceText(title_from(name), clean(decoded(data)), "text/plain")
