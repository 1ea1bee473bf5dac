"""Holds what a file is against the media type that was declared for it."""

from knowledge.source_text import DOCX, DocumentUnreadable, SourceText

_SAYS_NOTHING = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-download"})
_PDF = frozenset({"application/pdf", "application/x-pdf"})
_ZIPPED = frozenset({DOCX, "application/zip", "application/x-zip-compressed", "application/msword"})
_TEXTS = frozenset(
    {"application/json", "application/xml", "application/xhtml+xml", "application/yaml", "application/x-yaml"}
    | {"application/javascript", "application/sql", "application/toml", "application/csv"}
)
"""Media types of text that do not begin with text/."""


def check_declared(name: str, declared: str | None, source: SourceText) -> None:
    """Raise `DocumentUnreadable` where the declared media type is not that of the content.

    Kinds of text are not told apart, since names and programs differ on them: Markdown is often sent as text/plain.
    """
    said = (declared or "").partition(";")[0].strip().lower()
    if said in _SAYS_NOTHING:
        return
    if source.media_type == "application/pdf":
        fits = said in _PDF
    elif source.media_type == DOCX:
        fits = said in _ZIPPED
    else:
        fits = said.startswith("text/") or said in _TEXTS
    if not fits:
        reason = f"the file was sent as {said[:100]}, but it is {source.media_type}"
        raise DocumentUnreadable(name, reason, "Send it with its own media type, or with none")
