"""PDF: the text of each page under a heading with its number, so that what is quoted can be found again."""

import io

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError

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
        pages = [clean(page.extract_text()) for page in reader.pages]
        title = clean(str(reader.metadata.title or "")) if reader.metadata else ""
    except (FileNotDecryptedError, DependencyError):
        raise DocumentUnreadable(name, "the PDF needs a password", "Save a copy without a password") from None
    except Exception as error:  # pypdf raises whatever a damaged file leads it to
        reason = f"the PDF is damaged ({type(error).__name__})"
        raise DocumentUnreadable(name, reason, "Open it and save or print it as a new PDF") from None
    text = "\n\n".join(f"## Page {number}\n\n{page}" for number, page in enumerate(pages, 1) if page)
    if not text:
        reason = f"none of the PDF's {len(pages)} pages holds text; it looks scanned"
        raise DocumentUnreadable(name, reason, "Run text recognition (OCR) on it first")
    return SourceText(title or title_from(name), text, "application/pdf")
