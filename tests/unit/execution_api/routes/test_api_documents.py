from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from execution_api.routes import documents
from execution_api.services import Services
from kernel.models import Json
from knowledge.embed import Embedder
from knowledge.file_reader import ReadFile

POLICY = b"# Refund policy\n\nRefunds are possible within thirty days.\n\n# Delivery\n\nParcels take two days.\n"


def policy(name: str = "policy.md", data: bytes = POLICY) -> tuple[str, tuple[str, bytes]]:
    return "files", (name, data)


async def test_a_document_is_uploaded_listed_and_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/documents", files=[policy()])
    assert answer.status_code == 201
    [saved] = answer.json()["items"]
    assert (saved["title"], saved["source"], saved["media_type"]) == ("Refund policy", "policy.md", "text/markdown")
    assert saved["passages"] == 2
    [listed] = (await client.get("/documents")).json()["items"]
    assert (listed["doc_id"], listed["created_by"]) == (saved["doc_id"], "api_key:ci")
    found = (await client.get(f"/documents/{saved['doc_id']}")).json()
    assert "thirty days" in found["content"]
    assert len(found["content"]) == saved["characters"] == listed["characters"]


async def test_a_search_finds_the_passage_and_says_where_it_is_from(client: httpx.AsyncClient) -> None:
    await client.post("/documents", files=[policy()])
    found = (await client.get("/documents/search", params={"q": "How many days for refunds?"})).json()["items"]
    assert (found[0]["heading"], found[0]["source"]) == ("Refund policy", "policy.md")
    one = (await client.get("/documents/search", params={"q": "refunds", "limit": 1})).json()["items"]
    assert len(one) == 1


async def test_several_files_are_saved_at_once(client: httpx.AsyncClient) -> None:
    files = [policy("a.md"), policy("b.txt", b"Opening hours are nine to five."), policy("ㄱ.md", b"# Korean\n\ntext")]
    saved = (await client.post("/documents", files=files)).json()["items"]
    assert [document["source"] for document in saved] == ["a.md", "b.txt", "ㄱ.md"]
    assert len((await client.get("/documents")).json()["items"]) == 3


async def test_the_same_source_replaces_the_document(client: httpx.AsyncClient) -> None:
    first = (await client.post("/documents", files=[policy()], data={"source": "kb/refunds"})).json()["items"][0]
    changed = policy("new.md", b"# Refunds\n\nNo refunds any more.")
    second = (await client.post("/documents", files=[changed], data={"source": "kb/refunds"})).json()["items"][0]
    assert first["doc_id"] == second["doc_id"]
    found = (await client.get("/documents/search", params={"q": "refunds"})).json()["items"]
    assert [passage["content"] for passage in found] == ["No refunds any more."]


async def test_where_one_file_cannot_be_read_none_is_saved(client: httpx.AsyncClient) -> None:
    answer = await client.post("/documents", files=[policy(), policy("scan.png", b"\x89PNG\r\n\x1a\n\x00")])
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:document_unreadable")
    assert answer.json()["value"] == "scan.png"
    assert "PDF" in answer.json()["remedy"]
    assert (await client.get("/documents")).json()["items"] == []


@pytest.mark.parametrize(
    ("files", "data", "field"),
    [
        ([policy(), policy("b.md")], {"source": "one"}, "source"),
        ([policy()], {"source": "x" * 501}, "source"),
        ([policy()], {"source": "a\0b"}, "source"),
        ([policy("n" * 501)], {}, "files"),
        ([("other", ("a.md", POLICY))], {}, "files"),
        ([policy("empty.md", b"")], {}, "files"),
    ],
)
async def test_an_upload_that_cannot_be_stored_is_refused_by_field(
    client: httpx.AsyncClient, files: list[tuple[str, tuple[str, bytes]]], data: dict[str, str], field: str
) -> None:
    answer = await client.post("/documents", files=files, data=data)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


async def test_a_file_name_with_a_nul_character_is_refused(client: httpx.AsyncClient) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a\0b.md"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await client.post("/documents", content=head + POLICY + b"\r\n--b--\r\n", headers=headers)
    assert answer.status_code == 422


async def test_a_text_with_nul_characters_is_no_internal_error(client: httpx.AsyncClient) -> None:
    answer = await client.post("/documents", files=[policy("a.md", b"# Title\n\none\0two")])
    assert answer.status_code in {201, 422}


async def test_documents_are_listed_by_page(client: httpx.AsyncClient) -> None:
    await client.post("/documents", files=[policy("a.md"), policy("b.md")])
    first = (await client.get("/documents?limit=1")).json()
    second = (await client.get(first["next"])).json()
    assert [page["items"][0]["source"] for page in (first, second)] == ["b.md", "a.md"] or (
        {page["items"][0]["source"] for page in (first, second)} == {"a.md", "b.md"}
    )


async def sources(client: httpx.AsyncClient, **filters: str | int) -> list[str]:
    """The sources of all documents with these filters, page by page."""
    page = (await client.get("/documents", params={"limit": 2, **filters})).json()
    found = [item["source"] for item in page["items"]]
    while page["next"]:
        page = (await client.get(page["next"])).json()
        found += [item["source"] for item in page["items"]]
    return found


async def test_a_list_is_filtered_and_its_pages_keep_the_filter(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.post("/documents", files=[policy(f"kb/{number}.md", b"# Refund %d&more\n\ntext" % number)])
    await client.post("/documents", files=[policy("other.txt", b"text")])
    await client.post("/documents", files=[policy("kb%.md", b"# Percent\n\ntext")])
    newest_first = [f"kb/{number}.md" for number in (4, 3, 2, 1, 0)]
    assert await sources(client, title="rEFUND") == newest_first
    assert await sources(client, title="d 3&m") == ["kb/3.md"]
    assert await sources(client, source="kb/") == newest_first
    assert await sources(client, source="kb%") == ["kb%.md"]
    assert await sources(client, media_type="text/plain") == ["other.txt"]
    assert await sources(client, media_type="text/markdown", title="refund", source="kb/1") == ["kb/1.md"]
    assert await sources(client, title="_efund") == await sources(client, instance=str(uuid4())) == []
    assert len(await sources(client)) == 7


async def test_a_page_stays_where_it_is_while_documents_come(client: httpx.AsyncClient) -> None:
    for name in ("a.md", "b.md", "c.md"):
        await client.post("/documents", files=[policy(name)])
    first = (await client.get("/documents?limit=2")).json()
    await client.post("/documents", files=[policy("d.md")])
    second = (await client.get(first["next"])).json()
    assert [item["source"] for item in first["items"] + second["items"]] == ["c.md", "b.md", "a.md"]


@pytest.mark.parametrize("query", ["title=", "source=", "media_type=", "instance=x", "before=x", "limit=0"])
async def test_a_filter_that_says_nothing_is_refused_by_name(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/documents?{query}")
    assert (answer.status_code, answer.json()["field"]) == (422, query.partition("=")[0])


async def test_a_deleted_document_is_gone_from_list_and_search(client: httpx.AsyncClient) -> None:
    [saved, kept] = (await client.post("/documents", files=[policy(), policy("kept.md")])).json()["items"]
    address = f"/documents/{saved['doc_id']}"
    answer = await client.delete(address)
    assert (answer.status_code, answer.json()) == (
        200, {"doc_id": saved["doc_id"], "title": "Refund policy", "source": "policy.md"},
    )  # fmt: skip
    assert (await client.get(address)).status_code == (await client.delete(address)).status_code == 404
    assert [item["doc_id"] for item in (await client.get("/documents")).json()["items"]] == [kept["doc_id"]]
    found = (await client.get("/documents/search", params={"q": "refunds"})).json()["items"]
    assert {passage["doc_id"] for passage in found} == {kept["doc_id"]}
    again = (await client.post("/documents", files=[policy()])).json()["items"][0]
    assert again["doc_id"] != saved["doc_id"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_document_is_404(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, f"/documents/{uuid4()}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:process-fleet:problem:document_unknown")


async def test_files_with_the_same_name_are_refused_and_not_one_replaced_by_the_other(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/documents", files=[policy("a.md"), policy("a.md", b"other")])
    assert (answer.status_code, answer.json()["field"], answer.json()["value"]) == (422, "files", "a.md")
    assert (await client.get("/documents")).json()["items"] == []


async def test_where_saving_one_document_fails_none_is_saved(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = documents._with_vectors

    async def with_short_vectors(services: Services, source: str, file: ReadFile) -> Json:
        document = await spoiled(services, source, file)
        if source == "b.md":
            document["chunks"][0]["embedding"] = [1.0]
        return document

    monkeypatch.setattr(documents, "_with_vectors", with_short_vectors)
    answer = await client.post("/documents", files=[policy("a.md"), policy("b.md")])
    assert answer.status_code >= 400
    assert (await client.get("/documents")).json()["items"] == []


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (("a.pdf", b"%PDF-1.7 nothing", "application/pdf"), "the PDF is damaged"),
        (("a.docx", b"PK\x03\x04 nothing", "application/zip"), "no DOCX"),
        (("a.md", b"# Text", "application/pdf"), "was sent as application/pdf, but it is text/markdown"),
    ],
)
async def test_a_file_that_cannot_be_read_is_named_with_reason_and_remedy(
    client: httpx.AsyncClient, file: tuple[str, bytes, str], reason: str
) -> None:
    answer = await client.post("/documents", files=[policy(), ("files", file)])
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:process-fleet:problem:document_unreadable")
    assert (problem["field"], problem["value"]) == ("files", file[0]) and problem["remedy"]
    assert reason in problem["detail"]
    assert (await client.get("/documents")).json()["items"] == []


async def test_a_model_endpoint_that_refuses_is_502_and_the_endpoint_is_not_told(
    app: FastAPI, client: httpx.AsyncClient, model_url: str
) -> None:
    lost = Embedder(f"{model_url}/nowhere", "sk-secret", "text-embedding-3-small")
    object.__setattr__(app.state.services, "embedder", lost)
    for answer in (
        await client.get("/documents/search", params={"q": "x"}),
        await client.post("/documents", files=[policy()]),
    ):
        assert (answer.status_code, answer.json()["type"]) == (502, "urn:process-fleet:problem:embedding_failed")
        assert "127.0.0.1" not in answer.text
        assert "sk-secret" not in answer.text
    await lost.aclose()
