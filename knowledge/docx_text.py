"""DOCX: its text with headings, lists and tables; without pictures, comments and what was deleted."""

import io
import zipfile
from html import escape
from typing import Any

import mammoth
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # lxml comes without type information

from knowledge.archive import check_archive
from knowledge.html_text import read_html
from knowledge.source_text import DOCX, DocumentUnreadable, SourceText

_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"


def read_docx(name: str, data: bytes) -> SourceText:
    """Return a DOCX file's text. The title is that of its properties, else its first heading, else the file's name.

    Raises `DocumentUnreadable` when it is damaged, unpacks to too much, or holds what could name other files.
    """
    check_archive(name, data)
    try:
        converted = mammoth.convert_to_html(
            io.BytesIO(data),
            style_map=_STYLES,
            include_embedded_style_map=False,
            external_file_access=False,
            convert_image=mammoth.images.img_element(_no_picture),
        )
        title = _title(data)
    except MemoryError:
        raise
    except Exception as error:  # mammoth raises whatever a damaged file leads it to
        reason = f"the DOCX is damaged ({type(error).__name__})"
        raise DocumentUnreadable(name, reason, "Open it in a word processor and save it again") from None
    head = f"<title>{escape(title)}</title>" if title else ""
    source = read_html(name, f"<html><head>{head}</head><body>{converted.value}</body></html>")
    return SourceText(source.title, source.text, DOCX)


def _no_picture(_: Any) -> dict[str, str]:
    return {}


def _title(data: bytes) -> str:
    """The title in the properties of the file; "" where it has none."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if "docProps/core.xml" not in archive.namelist():
            return ""
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        return (etree.fromstring(archive.read("docProps/core.xml"), parser).findtext(f".//{_TITLE}") or "").strip()
