"""Whatever a file holds, reading it ends soon, in bounded memory, with a text or with a reason and a remedy."""

import asyncio
import io
import os
import zlib
from pathlib import Path

import psutil
import pytest
from office_files import docx, paragraph
from pypdf import PdfWriter

from knowledge import file_reader
from knowledge.file_reader import FileReader
from knowledge.source_text import DocumentUnreadable


async def refused(name: str, data: bytes, media_type: str | None = None) -> DocumentUnreadable:
    with pytest.raises(DocumentUnreadable) as unreadable:
        await FileReader().read(name, data, media_type)
    assert unreadable.value.name == name and unreadable.value.remedy
    return unreadable.value


def raw_pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF with these objects, numbered from 1; object 1 is the catalogue."""
    written = io.BytesIO(b"%PDF-1.7\n")
    written.seek(0, io.SEEK_END)
    places: list[int] = []
    for number, content in enumerate(objects, 1):
        places.append(written.tell())
        written.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = written.tell()
    written.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    written.writelines(b"%010d 00000 n \n" % place for place in places)
    written.write(b"trailer\n<</Size %d /Root 1 0 R %s>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, start))
    return written.getvalue()


CATALOGUE = b"<</Type /Catalog /Pages 2 0 R>>"
FONT = b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>"


def page(contents: bytes) -> bytes:
    return (
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Resources <</Font <</F1 4 0 R>>>> /Contents %s>>" % contents
    )


def stream(data: bytes, filters: bytes = b"") -> bytes:
    return b"<</Length %d %s>>\nstream\n%s\nendstream" % (len(data), filters, data)


def bomb(megabytes: int) -> bytes:
    """A page whose content unpacks to far more than the file has."""
    squeezed = zlib.compress(b"BT /F1 1 Tf (xxxxxxxx) Tj ET\n" * (megabytes * 36_000), 9)
    return raw_pdf(CATALOGUE, b"<</Type /Pages /Kids [3 0 R] /Count 1>>", page(b"5 0 R"), FONT,
                   stream(squeezed, b"/Filter /FlateDecode"))  # fmt: skip


async def test_a_good_file_is_read_and_cut_into_passages() -> None:
    read = await FileReader().read("a.docx", docx(paragraph("Rules", "1") + paragraph("Be kind.")))
    assert (read.source.title, read.source.text) == ("Rules", "# Rules\n\nBe kind.")
    assert [(chunk.index, chunk.heading, chunk.text) for chunk in read.chunks] == [(0, "Rules", "Be kind.")]


async def test_a_name_of_any_characters_reaches_the_reader() -> None:
    assert (await FileReader().read("환불 \n\"규정'.txt", b"text")).source.text == "text"


async def test_a_pdf_that_unpacks_to_far_more_is_refused() -> None:
    data = bomb(300)
    assert len(data) < 2_000_000
    assert "PDF" in (await refused("a.pdf", data)).reason


async def test_a_pdf_that_names_one_page_a_million_times_is_refused() -> None:
    pages = b"<</Type /Pages /Kids [%s] /Count 1000000>>" % (b"3 0 R " * 100_000)
    data = raw_pdf(CATALOGUE, pages, page(b"5 0 R"), FONT, stream(b"BT /F1 1 Tf (x) Tj ET"))
    assert "more than 5000 pages" in (await refused("a.pdf", data)).reason


async def test_a_count_of_pages_that_is_a_lie_does_no_harm() -> None:
    pages = b"<</Type /Pages /Kids [3 0 R] /Count 999999999>>"
    data = raw_pdf(CATALOGUE, pages, page(b"5 0 R"), FONT, stream(b"BT /F1 1 Tf (hello) Tj ET"))
    assert "hello" in (await FileReader().read("a.pdf", data)).source.text


async def test_pages_that_go_round_in_a_circle_are_refused() -> None:
    data = raw_pdf(CATALOGUE, b"<</Type /Pages /Kids [2 0 R] /Count 1>>")
    assert "PDF" in (await refused("a.pdf", data)).reason


async def test_a_truncated_pdf_is_read_or_refused() -> None:
    writer = PdfWriter()
    writer.add_blank_page(9, 9)
    written = io.BytesIO()
    writer.write(written)
    whole = written.getvalue()
    for part in (10, 100, len(whole) // 2, len(whole) - 5):
        assert (await refused("a.pdf", whole[:part])).reason


async def test_an_encrypted_pdf_is_refused_by_what_it_needs() -> None:
    writer = PdfWriter()
    writer.add_blank_page(9, 9)
    writer.encrypt("secret", algorithm="AES-256")
    written = io.BytesIO()
    writer.write(written)
    assert (await refused("a.pdf", written.getvalue())).reason == "the PDF needs a password"


async def test_a_zip_bomb_is_refused() -> None:
    data = docx(paragraph("x"), word__media="\0" * 250_000_000)
    assert len(data) < 1_000_000
    assert "unpacks to 6 parts with 238 MB" in (await refused("a.docx", data)).reason


async def test_a_docx_whose_text_is_without_end_is_refused() -> None:
    data = docx(paragraph("word " * 4_000_000))
    assert len(data) < 1_000_000
    assert "more than 5000000 characters" in (await refused("a.docx", data)).reason


async def test_entities_in_html_are_no_bomb_and_fetch_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the code word is parsnip")
    lines = [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12)]
    head = f'<!DOCTYPE html [<!ENTITY e0 "ha"><!ENTITY x SYSTEM "file://{secret}">{"".join(lines)}]>'
    read = await FileReader().read("a.xhtml", f"{head}<html><body><p>begin &e11; &x; end</p></body></html>".encode())
    assert "parsnip" not in read.source.text and len(read.source.text) < 2000


async def test_html_that_is_nested_without_end_is_read_or_refused() -> None:
    data = b"<div>" * 50_000 + b"text"
    try:
        assert len((await FileReader().read("a.html", data)).source.text) < 1000
    except DocumentUnreadable as unreadable:
        assert unreadable.remedy


@pytest.mark.parametrize(
    ("media_type", "name", "data"),
    [
        ("application/pdf", "a.md", b"# Text"),
        ("image/png", "a.txt", b"text"),
        ("text/plain", "a.docx", docx(paragraph("x"))),
        ("text/html; charset=utf-8", "a.pdf", raw_pdf(CATALOGUE, b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
            page(b"5 0 R"), FONT, stream(b"BT /F1 1 Tf (hello) Tj ET"))),
    ],
)  # fmt: skip
async def test_a_file_that_is_not_what_it_was_sent_as_is_refused(media_type: str, name: str, data: bytes) -> None:
    said = await refused(name, data, media_type)
    assert media_type.partition(";")[0] in said.reason and "media type" in said.remedy


@pytest.mark.parametrize(
    "media_type", [None, "", "application/octet-stream", "text/plain", "text/x-markdown", "text/html"]
)
async def test_kinds_of_text_are_not_told_apart(media_type: str | None) -> None:
    assert (await FileReader().read("a.md", b"# Text", media_type)).source.media_type == "text/markdown"


def child_that(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the child, bounded as ever, run `code` in place of reading."""
    here = f"import sys; sys.path.insert(0, {str(Path(file_reader.__file__).parents[1])!r});"
    monkeypatch.setattr(file_reader, "_START", f"{here}from knowledge.reading_child import _bind; _bind()\n{code}")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("bytearray(2 * 1024 ** 3)", "reader ended with code 1"),
        ("import os; os.abort()", "reader ended with SIGABRT"),
        ("import sys; sys.exit(3)", "reader ended with code 3"),
        ("import tempfile; f = tempfile.TemporaryFile(); f.write(b'x'); f.flush()", "reader ended with code 1"),
        ("print('{')", "reader ended with code 0"),
        ("import resource, os; resource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass", "processor time"),
        ("import sys\nwhile True: sys.stdout.write('x' * 1000000)", "processor time"),
    ],
)
async def test_whatever_the_reader_does_the_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    child_that(code, monkeypatch)
    assert reason in (await refused("a.pdf", b"x" * 1_000_000)).reason


async def test_a_reader_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_reader, "READER_SECONDS", 0.25)
    child_that("import time; time.sleep(1000)", monkeypatch)
    assert "takes more than 0.5 s" in (await refused("a.pdf", b"x")).reason
    assert [child.cmdline() for child in psutil.Process().children() if "sleep(1000)" in str(child.cmdline())] == []


async def test_the_reader_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    child_that(
        "import json, os, sys\nsays = {'reason': str(dict(os.environ)), 'remedy': os.getcwd()}\n"
        "sys.stdout.write(json.dumps(says))",
        monkeypatch,
    )
    said = await refused("a.md", b"x")
    assert "sk-secret" not in said.reason and "DATABASE_URL" not in said.reason and said.remedy == "/"
    assert os.environ["OPENAI_API_KEY"] == "sk-secret"


async def test_no_more_files_are_read_at_once_than_there_are_places(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most = 0, 0

    async def counted(*_: object) -> dict[str, object]:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        for _ in range(3):
            await asyncio.sleep(0)
        at_once -= 1
        return {"title": "t", "text": "t", "media_type": "text/plain", "chunks": []}

    monkeypatch.setattr(file_reader, "_ask_child", counted)
    reader = FileReader(2)
    await asyncio.gather(*(reader.read("a.txt", b"x") for _ in range(6)))
    assert most == 2
