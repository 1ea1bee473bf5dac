from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from knowledge.embed import Embedder

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


async def test_an_unknown_document_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/documents/{uuid4()}")
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:process-fleet:problem:document_unknown")


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
