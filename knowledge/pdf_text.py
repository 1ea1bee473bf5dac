"""PDF: the text of each page under a heading with its number, so that what is quoted can be found again."""

import io

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, LimitReachedError

from knowledge.limits import MOST_CHARACTERS, MOST_PAGES
from knowledge.source_text import DocumentUnreadable, SourceText, clean, title_from


def read_pdf(name: str, data: bytes) -> SourceText:
    """Return a PDF's text, a `## Page N` heading before each page that has any. The title is its title, else its name.

    Raises `DocumentUnreadable` when it needs a password, is damaged, or holds only pictures of text.
    """
    try:
        reader = PdfReader(io.BytesIO(data))
        # Many PDFs are encrypted only against editing: those open with an empty password.
        if reader.is_encrypted and not reader.decrypt(""):
            raise FileNotDecryptedError
        pages = _pages(name, reader)
        title = clean(str(reader.metadata.title or "")) if reader.metadata else ""
    except (DocumentUnreadable, MemoryError):
        raise
    except (FileNotDecryptedError, DependencyError):
        raise DocumentUnreadable(name, "the PDF needs a password", "Save a copy without a password") from None
    except LimitReachedError:  # pypdf bounds what one compressed stream may unpack to
        reason = "a part of the PDF unpacks to far more than its size"
        raise DocumentUnreadable(name, reason, "Open it and save or print it as a new PDF") from None
    except Exception as error:  # pypdf raises whatever a damaged file leads it to
        reason = f"the PDF is damaged ({type(error).__name__})"
        raise DocumentUnreadable(name, reason, "Open it and save or print it as a new PDF") from None
    text = "\n\n".join(f"## Page {number}\n\n{page}" for number, page in enumerate(pages, 1) if page)
    if not text:
        reason = f"none of the PDF's {len(pages)} pages holds text; it looks scanned"
        raise DocumentUnreadable(name, reason, "Run text recognition (OCR) on it first")
    return SourceText(title or title_from(name), text, "application/pdf")


def _pages(name: str, reader: PdfReader) -> list[str]:
    """The text of each page. A page may be named many times over, so that texts are counted while they are read."""
    pages: list[str] = []
    length = 0
    for page in reader.pages:
        pages.append(clean(page.extract_text()))
        length += len(pages[-1])
        if len(pages) > MOST_PAGES or length > MOST_CHARACTERS:
            reason = f"the PDF has more than {MOST_PAGES} pages or {MOST_CHARACTERS} characters of text"
            raise DocumentUnreadable(name, reason, "Split it into smaller files")
    return pages
