"""Looks at a DOCX before anything unpacks it: how much it would unpack to, and whether its XML is plain.

Office Open XML forbids document type declarations in its parts (ECMA-376 part 2, 9.1.3.2), which is where entities that
grow without end, or that name other files, would be declared.
"""

import io
import zipfile
import zlib
from xml.parsers import expat

from knowledge.limits import MOST_CHARACTERS, MOST_PARTS, MOST_UNPACKED
from knowledge.source_text import DocumentUnreadable

_MAIN = "word/document.xml"
_XML_ENDINGS = (".xml", ".rels")
_PIECE = 64 * 1024
_DAMAGED = "Open it in a word processor and save it again"


class _Settled(Exception):
    """The first element has begun: no declaration can follow."""


class _Declared(Exception):
    """There is a document type declaration."""


def is_docx(data: bytes) -> bool:
    """Tell whether `data` is a ZIP archive with the main part of a Word document in it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _MAIN in archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError):
        return False


def check_archive(name: str, data: bytes) -> None:
    """Raise `DocumentUnreadable` where a DOCX would unpack to too much, is damaged, or declares document types.

    zipfile gives no more bytes of a part than its directory declares, so that what is declared bounds what is unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            _check_sizes(name, parts)
            for part in parts:
                if part.filename.lower().endswith(_XML_ENDINGS):
                    _check_plain(name, archive, part)
            _check_length(name, archive)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        expat.ExpatError,
    ) as error:
        reason = f"the DOCX is damaged ({type(error).__name__})"
        raise DocumentUnreadable(name, reason, _DAMAGED) from None


def _check_sizes(name: str, parts: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > MOST_UNPACKED:
        reason = f"the DOCX unpacks to {len(parts)} parts with {unpacked / 1024 / 1024:.0f} MB"
        remedy = f"Split it, or take pictures out: at most {MOST_PARTS} parts and {MOST_UNPACKED // 1024 // 1024} MB"
        raise DocumentUnreadable(name, reason, f"{remedy} are read")


def _check_plain(name: str, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _declared
    parser.StartElementHandler = _settled
    try:
        with archive.open(part) as file:
            while piece := file.read(_PIECE):
                parser.Parse(piece)
    except _Settled:
        return
    except _Declared:
        reason = f"{part.filename} in the DOCX declares a document type, which may hide entities"
        raise DocumentUnreadable(name, reason, _DAMAGED) from None
    except expat.ExpatError as error:
        reason = f"{part.filename} in the DOCX is no XML ({error})"
        raise DocumentUnreadable(name, reason, _DAMAGED) from None


def _check_length(name: str, archive: zipfile.ZipFile) -> None:
    """Count the characters of text before they are made into many objects each."""
    length = 0

    def count(text: str) -> None:
        nonlocal length
        length += len(text)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.CharacterDataHandler = count
    with archive.open(_MAIN) as file:
        while (piece := file.read(_PIECE)) and length <= MOST_CHARACTERS:
            parser.Parse(piece)
    if length > MOST_CHARACTERS:
        reason = f"the DOCX holds more than {MOST_CHARACTERS} characters of text"
        raise DocumentUnreadable(name, reason, "Split it into smaller files")


def _settled(*_: object) -> None:
    raise _Settled


def _declared(*_: object) -> None:
    raise _Declared
