"""DOCX files give their text with headings, lists and tables, and hostile ones are refused before they are unpacked."""

import io
import zipfile

import pytest
from office_files import MAIN, docx, paragraph, table, zipped

from knowledge import archive
from knowledge.read_file import read
from knowledge.source_text import DocumentUnreadable

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def test_headings_paragraphs_and_tables_are_kept() -> None:
    body = paragraph("환불 규정", "1") + paragraph("Paid in 5 days.") + paragraph("Cards", "2")
    body += table(("Kind", "Days"), ("Card", "5"))
    source = read("policy.docx", docx(body, title="Refunds &amp; more"))
    assert (source.title, source.media_type) == ("Refunds & more", WORD)
    assert source.text == "# 환불 규정\n\nPaid in 5 days.\n\n## Cards\n\nKind | Days\n\nCard | 5"


def test_the_title_is_the_first_heading_else_the_name() -> None:
    assert read("a.docx", docx(paragraph("Rules", "1") + paragraph("text"))).title == "Rules"
    assert read("my rules.docx", docx(paragraph("text"))).title == "my rules"


def test_inserted_text_and_content_controls_are_read_and_deleted_text_is_not() -> None:
    body = (
        '<w:p><w:ins w:id="1"><w:r><w:t>new </w:t></w:r></w:ins><w:del w:id="2"><w:r><w:delText>old</w:delText></w:r>'
        f"</w:del></w:p><w:sdt><w:sdtContent>{paragraph('controlled')}</w:sdtContent></w:sdt>"
    )
    assert read("a.docx", docx(body)).text == "new\n\ncontrolled"


def test_a_docx_is_known_by_its_content() -> None:
    assert read("download", docx(paragraph("Hello"))).media_type == WORD


def test_markup_in_the_text_stays_text() -> None:
    body = paragraph("&lt;script&gt;alert(1)&lt;/script&gt; &lt;b&gt;")
    assert read("a.docx", docx(body)).text == "<script>alert(1)</script> <b>"


def test_a_picture_that_names_another_file_is_not_fetched() -> None:
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="p1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" TargetMode="External" '
        'Target="file:///etc/passwd"/></Relationships>'
    )
    picture = (
        '<w:p><w:r><w:t>before</w:t><w:drawing xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
        'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
        'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
        'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><wp:inline><a:graphic><a:graphicData>'
        '<pic:pic><pic:blipFill><a:blip r:link="p1"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline>'
        "</w:drawing></w:r></w:p>"
    )
    read_whole = zipped({**_parts(docx(picture)), "word/_rels/document.xml.rels": relations})
    assert read("a.docx", read_whole).text == "before"


def _parts(data: bytes) -> dict[str, bytes | str]:
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        return {name: found.read(name) for name in found.namelist()}


BOMB = '<!DOCTYPE w [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + MAIN
EXTERNAL = '<!DOCTYPE w [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + MAIN


@pytest.mark.parametrize(
    ("data", "reason", "remedy"),
    [
        (docx(paragraph("&b;"), main=BOMB), "word/document.xml in the DOCX declares a document type", "save it again"),
        (docx(paragraph("&a;"), main=EXTERNAL), "declares a document type", "save it again"),
        (docx("<w:p>"), "the DOCX is damaged (ExpatError)", "save it again"),
        (docx("", main="no XML"), "word/document.xml in the DOCX is no XML", "save it again"),
        (docx(paragraph("x"), customXml__item1="y" * 10) [:300], "is called .docx but is no DOCX", "save it as DOCX"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "locked by a password", "PDF, DOCX"),
        (b"plain", "is called .docx but is no DOCX", "save it as DOCX"),
        (zipped({"xl/workbook.xml": "<x/>"}), "is no DOCX", "save it as DOCX"),
        (docx(paragraph("")), "holds no text", "right file"),
    ],
)  # fmt: skip
def test_hostile_and_damaged_files_are_refused_with_reason_and_remedy(data: bytes, reason: str, remedy: str) -> None:
    with pytest.raises(DocumentUnreadable) as unreadable:
        read("a.docx", data)
    assert reason in unreadable.value.reason and remedy in unreadable.value.remedy


def test_a_zip_bomb_is_refused_by_what_it_would_unpack_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_UNPACKED", 5_000_000)
    data = docx(paragraph("x"), word__media="\0" * 10_000_000)
    assert len(data) < 20_000
    with pytest.raises(DocumentUnreadable, match="unpacks to 6 parts with 10 MB"):
        read("a.docx", data)


def test_an_archive_of_too_many_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_PARTS", 4)
    with pytest.raises(DocumentUnreadable, match="5 parts"):
        read("a.docx", docx(paragraph("x")))


def test_a_part_that_declares_less_than_it_holds_is_damaged() -> None:
    data = bytearray(docx(paragraph("x" * 1000)))
    place = data.rindex(b"word/document.xml") - 46  # its entry in the central directory
    data[place + 24 : place + 28] = (10).to_bytes(4, "little")
    with pytest.raises(DocumentUnreadable, match=r"damaged|no XML"):
        read("a.docx", bytes(data))
