"""Reads a file by what it is: its content where that tells, else the ending of its name."""

import re
from pathlib import PurePath

from knowledge.archive import is_docx
from knowledge.limits import LARGEST_FILE, MOST_CHARACTERS
from knowledge.markdown_text import read_markdown
from knowledge.source_text import DocumentUnreadable, SourceText, clean, title_from
from knowledge.text_encoding import decoded, decoded_html, is_binary

_MARKDOWN_ENDINGS = (".md", ".markdown", ".mdown", ".mkd")
_HTML_ENDINGS = (".html", ".htm", ".xhtml")
_HTML_START = re.compile(
    rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
_PDF_MARK = b"%PDF-"
_HEAD = 1024
_PACKED = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0"
_FOREIGN = (
    (_PACKED, "an Office or ZIP file that is no DOCX"),
    (b"PK\x05\x06", "an empty ZIP file"),
    (_OLE, "an old Office or Hangul (HWP) file, or one that is locked by a password,"),
    (b"{\\rtf", "an RTF file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file"),
)
_SUPPORTED = "Save it as PDF, DOCX, Markdown, plain text or HTML"


def read(name: str, data: bytes) -> SourceText:
    """Return the text of the file called `name` (at most 50 MB) with these bytes.

    Raises `DocumentUnreadable` for a file that is too large, empty, damaged, locked by a password, scanned without
    text, or of a kind this cannot read. A file from a stranger is read by `knowledge.file_reader`, in a process of its
    own.
    """
    _check_size(name, data)
    ending = PurePath(name.replace("\\", "/")).suffix.lower()
    source = _read_kind(name, ending, data)
    if not source.text:
        raise DocumentUnreadable(name, "the file holds no text", "Check that it is the right file")
    if len(source.text) > MOST_CHARACTERS:
        reason = f"the file holds {len(source.text)} characters of text, more than {MOST_CHARACTERS}"
        raise DocumentUnreadable(name, reason, "Split it into smaller files")
    return source


def _check_size(name: str, data: bytes) -> None:
    if not data.strip():
        raise DocumentUnreadable(name, "the file is empty", "Check that it is the right file")
    if len(data) > LARGEST_FILE:
        size = f"{len(data) / 1024 / 1024:.1f} MB"
        raise DocumentUnreadable(name, f"the file has {size}, more than 50 MB", "Split it into smaller files")


def _read_kind(name: str, ending: str, data: bytes) -> SourceText:
    """Read by kind. A reader is imported when a file needs it: the libraries cost more than reading a page."""
    head = data[:_HEAD].lstrip()
    if head.startswith(_PDF_MARK) or (ending == ".pdf" and _PDF_MARK in head):
        from knowledge.pdf_text import read_pdf  # noqa: PLC0415

        return read_pdf(name, data)
    if data.startswith(_PACKED) and is_docx(data):
        from knowledge.docx_text import read_docx  # noqa: PLC0415

        return read_docx(name, data)
    _refuse_foreign(name, ending, data)
    if ending in _MARKDOWN_ENDINGS:
        return read_markdown(name, decoded(data))
    if b"<" in data and (ending in _HTML_ENDINGS or _HTML_START.match(head)):
        from knowledge.html_text import read_html  # noqa: PLC0415

        return read_html(name, decoded_html(data))
    return SourceText(title_from(name), clean(decoded(data)), "text/plain")


def _refuse_foreign(name: str, ending: str, data: bytes) -> None:
    for called, kind in ((".pdf", "PDF"), (".docx", "DOCX")):
        if ending == called and not data.startswith(_OLE):
            reason = f"the file is called {called} but is no {kind}"
            raise DocumentUnreadable(name, reason, f"Open it and save it as {kind} again")
    foreign = next((kind for mark, kind in _FOREIGN if data.startswith(mark)), "")
    if foreign or is_binary(data):
        raise DocumentUnreadable(name, f"{foreign or 'a file that is not text'} cannot be read", _SUPPORTED)
