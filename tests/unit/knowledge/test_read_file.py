"""Files of each kind are read, and those that cannot be say why and what to do."""

import io
import unicodedata
import zipfile

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from knowledge.limits import LARGEST_FILE
from knowledge.read_file import read
from knowledge.source_text import DocumentUnreadable


def pdf(*pages: str, title: str = "", password: str = "", owner_password: str | None = None) -> bytes:
    """A PDF with one line of Helvetica on each page (an empty line leaves the page without text)."""
    writer = PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for line in pages:
        page = writer.add_blank_page(width=300, height=300)
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 20 200 Td ({line}) Tj ET".encode("latin-1") if line else b"")
        resources = DictionaryObject({NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})})
        page[NameObject("/Resources")] = resources
        page[NameObject("/Contents")] = writer._add_object(content)
    if title:
        writer.add_metadata({"/Title": title})
    if password or owner_password:
        writer.encrypt(password, owner_password, algorithm="AES-256")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def test_markdown_keeps_its_headings_and_gives_its_title():
    source = read(
        "docs/refunds.md", b"# Refund policy\r\n\r\nPaid in *5 days*.\r\n\r\n## Gift cards  \n\nNever.\n\n\n\n"
    )
    assert (source.title, source.media_type) == ("Refund policy", "text/markdown")
    assert source.text == "# Refund policy\n\nPaid in *5 days*.\n\n## Gift cards\n\nNever."


def test_markdown_front_matter_gives_the_title_and_is_left_out():
    source = read("a.md", b'---\ntitle: "The policy"\ndraft: true\n---\nText.')
    assert (source.title, source.text) == ("The policy", "Text.")


def test_underlined_headings_become_marked_ones_but_rules_stay():
    text = b"Title\n=====\n\nPart\n----\n\nText.\n\n---\n\n- item\n---\n\n```\ncode\n----\n```\n"
    assert read("a.md", text).text == ("# Title\n\n## Part\n\nText.\n\n---\n\n- item\n---\n\n```\ncode\n----\n```")


def test_a_file_without_a_title_is_called_by_its_name():
    assert read("C:\\files\\travel notes.txt", b"We left early.").title == "travel notes"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "환불은 5일 안에 됩니다."),
        ("utf-8-sig", "환불은 5일 안에 됩니다."),
        ("cp949", "환불은 5일 안에 됩니다. 뷁"),
        ("utf-16", "환불은 5일 안에 됩니다."),
        ("latin-1", "Café crème à 5 €".replace("€", "euros")),
    ],
)
def test_text_of_any_common_encoding_is_read(encoding: str, text: str):
    source = read("note.txt", text.encode(encoding))
    assert (source.text, source.media_type) == (text, "text/plain")


def test_korean_in_pieces_is_put_together_and_controls_go():
    text = "환불은 영업일 5일 안에 카드로 지급됩니다"
    pieces = unicodedata.normalize("NFD", text)
    assert pieces != text
    assert read("note.txt", f"{pieces}\x01.".encode()).text == f"{text}."


HTML = """<?xml version="1.0"?><!DOCTYPE html>
<html><head><title> Refund
 policy </title><style>p {color: red}</style><script>track()</script></head>
<body><nav><a href="/">Home</a></nav><!-- a note -->
<h1>Refunds <em>today</em></h1><p>Paid in <b>5
days</b>.<br>Really.</p><ul><li>Cards</li><li>Cash<ul><li>Coins</li></ul></li></ul>
<table><tr><th>Kind</th><th>Days</th></tr><tr><td>Card</td><td>5</td></tr></table>
<pre>a
  b</pre>tail</body></html>"""


def test_html_gives_its_text_with_headings_and_without_scripts_styles_and_navigation():
    source = read("page.html", HTML.encode())
    assert (source.title, source.media_type) == ("Refund policy", "text/html")
    assert source.text == (
        "# Refunds today\n\nPaid in 5 days.\nReally.\n\n- Cards\n\n- Cash\n\n- Coins\n\n"
        "Kind | Days\n\nCard | 5\n\na\nb\n\ntail"
    )


def test_html_is_known_by_its_content_and_read_in_its_declared_encoding():
    page = '<!doctype html><meta charset="euc-kr"><title>환불</title><p>뷁 5일'
    source = read("download", page.encode("cp949"))
    assert (source.title, source.text, source.media_type) == ("환불", "뷁 5일", "text/html")


def test_deep_and_broken_html_is_read():
    source = read("deep.html", b"<div>" * 200 + b"<p>Deep <b>text" + b"</div>" * 50)
    assert source.text == "Deep text"


def test_pdf_pages_stand_under_their_numbers():
    source = read("report.pdf", pdf("First page", "", "Third page", title="The report"))
    assert (source.title, source.media_type) == ("The report", "application/pdf")
    assert source.text == "## Page 1\n\nFirst page\n\n## Page 3\n\nThird page"


def test_a_pdf_is_known_by_its_content_and_called_by_its_name():
    assert read("scan of March", pdf("Hello")).title == "scan of March"


def test_a_text_about_pdfs_is_no_pdf():
    assert read("formats.md", b"A file begins with %PDF-1.7 then.").media_type == "text/markdown"


def test_a_pdf_locked_only_against_editing_is_read():
    assert "Hello" in read("a.pdf", pdf("Hello", owner_password="boss")).text


def zipped() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    return written.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "reason", "remedy"),
    [
        ("a.md", b"", "the file is empty", "right file"),
        ("a.txt", b" \n ", "the file is empty", "right file"),
        ("a.html", b"<script>x()</script>", "holds no text", "right file"),
        ("a.txt", b"a" * (LARGEST_FILE + 1), "50.0 MB, more than 50 MB", "Split it"),
        ("a.pdf", pdf("Secret", password="x"), "needs a password", "without a password"),
        ("a.pdf", pdf("", ""), "none of the PDF's 2 pages holds text; it looks scanned", "OCR"),
        ("a.pdf", b"%PDF-1.7\nbroken", "the PDF is damaged", "new PDF"),
        ("a.pdf", b"Just text about %PD files", "called .pdf but is no PDF", "save it as PDF"),
        ("a.docx", zipped(), "the DOCX is damaged", "save it again"),
        (
            "a.hwp",
            b"\xd0\xcf\x11\xe0\xa1\xb1",
            "Hangul (HWP) file, or one that is locked by a password, cannot be read",
            "PDF, DOCX, Markdown",
        ),
        ("a.txt", b"{\\rtf1 text}", "an RTF file cannot be read", "PDF, DOCX, Markdown"),
        ("a.bin", b"text \x00\x01", "a file that is not text cannot be read", "PDF, DOCX, Markdown"),
        ("a.md", b"\x89PNG\r\n\x1a\n", "a picture cannot be read", "PDF, DOCX, Markdown"),
    ],
)
def test_what_cannot_be_read_names_the_file_the_reason_and_the_remedy(name, data, reason, remedy):
    with pytest.raises(DocumentUnreadable) as unreadable:
        read(name, data)
    assert unreadable.value.name == name
    assert reason in unreadable.value.reason
    assert remedy in unreadable.value.remedy
    assert str(unreadable.value).startswith(f"{name}: ")


def test_a_cut_off_pdf_is_damaged_not_a_crash():
    whole = pdf("Hello", "World")
    for length in range(10, len(whole) // 2, 97):
        with pytest.raises(DocumentUnreadable):
            read("a.pdf", whole[:length])


def test_a_long_run_of_spaces_takes_no_time_of_its_own():
    spaces = " " * 2_000_000
    assert read("a.md", f"# Title{spaces}x\n\nText{spaces}y".encode()).text.endswith("y")
    assert read("a.html", f"<pre>a{spaces}y</pre>".encode()).text.endswith("y")
