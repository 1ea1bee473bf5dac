"""Bytes into text: the encoding they declare, else UTF-8, else Korean Windows, else Latin-1."""

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KOREAN = frozenset(("euc-kr", "ks_c_5601-1987", "ksc5601", "cp949", "ms949", "windows-949"))
_DECLARED = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_HEAD = 4096
_SAMPLE = 8192
_TEXT_CONTROLS = frozenset(b"\t\n\x0b\r\f\x1b")


def decoded(data: bytes) -> str:
    """Return the text of `data`: by its byte order mark, else as UTF-8, CP949 or (which fits all bytes) Latin-1."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    for encoding in ("utf-8", "cp949"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def decoded_html(data: bytes) -> str:
    """Return the text of an HTML file: by the charset its head declares, where that fits, else as `decoded` does."""
    declared = _DECLARED.search(data[:_HEAD])
    if declared and not data.startswith(tuple(mark for mark, _ in _MARKS)):
        name = declared[1].decode("ascii", errors="ignore").lower()
        try:
            return data.decode("cp949" if name in _KOREAN else name)
        except (LookupError, UnicodeDecodeError):
            pass
    return decoded(data)


def is_binary(data: bytes) -> bool:
    """Tell whether `data` is no text: it holds NUL bytes, or more than one control character in fifty."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    sample = data[:_SAMPLE]
    controls = sum(byte < 32 and byte not in _TEXT_CONTROLS for byte in sample)
    return b"\x00" in sample or controls * 50 > len(sample)
