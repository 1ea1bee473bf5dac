"""/documents: what agents may look up. Upload, list, read and search."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import File, Form, Query, Request, UploadFile

from execution_api.auth import CallersKernel
from execution_api.bodies import Items, Page, SavedDocument
from execution_api.intake import check_text
from execution_api.paging import Limit, next_page
from execution_api.problems import ApiProblem
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.services import services_of
from kernel.errors import NotFound
from kernel.functions import Kernel
from kernel.models import Document, DocumentSummary, Passage
from knowledge.chunks import Chunk, split
from knowledge.embed import Embedder
from knowledge.read_file import read
from knowledge.source_text import SourceText

router = room("Documents", "/documents")

_LONGEST_SOURCE = 500

SourceField = Annotated[
    str | None,
    Form(
        min_length=1,
        max_length=_LONGEST_SOURCE,
        description="where the document comes from; uploading the same source replaces it. None: its file name. Only "
        "with one file.",
    ),
]


@router.post("", status_code=201, summary="Upload documents", responses=errors(413, 502))
async def upload_documents(
    files: Annotated[list[UploadFile], File(description="Markdown, text, HTML, PDF and the like")],
    request: Request,
    kernel: CallersKernel,
    source: SourceField = None,
) -> Items[SavedDocument]:
    """Read files, cut them into passages and make these searchable. Where one cannot be read, none is saved."""
    embedder = services_of(request.scope).embedder
    model = services_of(request.scope).settings.fleet_embedding_model
    named = [(_source_of(file, source, len(files)), file) for file in files]
    prepared = [(name, *await _prepare(file.filename or name, await file.read(), embedder)) for name, file in named]
    saved = [await _save(kernel, model, name, text, chunks) for name, text, chunks in prepared]
    return Items(items=saved)


@router.get("", summary="List documents", responses=errors())
async def list_documents(
    kernel: CallersKernel,
    before: Annotated[UUID | None, Query(description="id of the last document of the page before")] = None,
    limit: Limit = 50,
) -> Page[DocumentSummary]:
    """Documents, newest first, without their text."""
    items = await kernel.find_documents(before, limit)
    last = items[-1].doc_id if len(items) == limit else None
    return Page(items=items, next=next_page("/documents", last, limit))


@router.get("/search", summary="Search documents", responses=errors(502))
async def search_documents(
    request: Request,
    kernel: CallersKernel,
    q: Annotated[str, Query(min_length=1, max_length=2000, pattern=r"\S", description="what is looked for")],
    limit: Annotated[int, Query(ge=1, le=50, description="most passages")] = 8,
) -> Items[Passage]:
    """The passages nearest to `q` by words and by meaning, best first."""
    services = services_of(request.scope)
    [meaning] = await services.embedder.embed([q])
    found = await kernel.search_documents(q, services.settings.fleet_embedding_model, meaning, limit)
    return Items(items=found)


@router.get("/{document_id}", summary="Read a document", responses=errors(404))
async def get_document(document_id: UUID, kernel: CallersKernel) -> Document:
    """A document with its text, and with its citations where an agent wrote it."""
    document = await kernel.get_document(document_id)
    if document is None:
        raise NotFound(f"There is no document {document_id}.", "document_unknown", "GET /documents lists them.")
    return document


def _source_of(file: UploadFile, source: str | None, files: int) -> str:
    if source is not None and files > 1:
        detail = f"source names one document, but {files} files were sent."
        raise ApiProblem(422, "request_invalid", detail, field="source", remedy="Leave it out, or send one file.")
    name = check_text(source or file.filename or "", "source" if source else "files")
    if not 1 <= len(name) <= _LONGEST_SOURCE:
        detail = f"The name of a file must have 1 to {_LONGEST_SOURCE} characters."
        raise ApiProblem(422, "request_invalid", detail, field="files", remedy="Rename it, or give `source`.")
    return name


async def _prepare(name: str, data: bytes, embedder: Embedder) -> tuple[SourceText, list[tuple[Chunk, list[float]]]]:
    text, chunks = await asyncio.to_thread(_read_and_split, name, data)  # a long PDF takes seconds of processor time
    vectors = await embedder.embed([f"{chunk.heading}\n{chunk.text}" for chunk in chunks])
    return text, list(zip(chunks, vectors, strict=True))


def _read_and_split(name: str, data: bytes) -> tuple[SourceText, list[Chunk]]:
    text = read(name, data)
    return text, split(text.text)


async def _save(
    kernel: Kernel, model: str, source: str, text: SourceText, chunks: list[tuple[Chunk, list[float]]]
) -> SavedDocument:
    rows = [
        {"chunk": chunk.index, "heading": chunk.heading, "content": chunk.text, "embedding": vector}
        for chunk, vector in chunks
    ]
    doc_id = await kernel.save_document(text.title, source, text.media_type, text.text, model, rows)
    return SavedDocument(
        doc_id=doc_id,
        title=text.title,
        source=source,
        media_type=text.media_type,
        characters=len(text.text),
        passages=len(rows),
    )
