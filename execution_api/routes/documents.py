"""/documents: what agents may look up. Upload, list, read, search and delete."""

from typing import Annotated
from uuid import UUID

from fastapi import File, Form, Query, Request, UploadFile
from pydantic import AfterValidator

from execution_api.access.auth import CallersKernel
from execution_api.bodies.paging import Limit, page
from execution_api.bodies.rows import Items, Page, SavedDocument
from execution_api.requests.intake import check_text
from execution_api.requests.problems import ApiProblem
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.services import Services, services_of
from kernel.document_models import DeletedDocument, Document, DocumentSummary, Passage
from kernel.errors import NotFound
from kernel.models import Json
from knowledge.file_reader import ReadFile

router = room("Documents", "/documents")

_LONGEST_SOURCE = 500


def _has_words(text: str) -> str:
    if not text.strip():  # more characters are white space to Python than to the pattern
        raise ValueError("is empty: say what is looked for")
    return text


SourceField = Annotated[
    str | None,
    Form(
        max_length=_LONGEST_SOURCE,
        description="where the document comes from; uploading the same source replaces it. Left out or empty: its file "
        "name. Only with one file.",
    ),
]


@router.post("", status_code=201, summary="Upload documents", responses=errors(413, 502))
async def upload_documents(
    files: Annotated[list[UploadFile], File(description="Markdown, text, HTML, PDF, DOCX and the like")],
    request: Request,
    kernel: CallersKernel,
    source: SourceField = None,
) -> Items[SavedDocument]:
    """Read files, cut them into passages and make these searchable. Where one cannot be read, none is saved."""
    services = services_of(request.scope)
    names = _sources_of(files, source)
    read = [await _read(services, name, file) for name, file in zip(names, files, strict=True)]
    documents = [await _with_vectors(services, name, file) for name, file in zip(names, read, strict=True)]
    ids = await kernel.save_documents(services.settings.fleet_embedding_model, documents)
    return Items(items=[_saved(*trio) for trio in zip(ids, names, read, strict=True)])


@router.get("", summary="List documents", responses=errors())
async def list_documents(
    kernel: CallersKernel,
    title: Annotated[str | None, Query(min_length=1, max_length=500, description="part of the title, any case")] = None,
    source: Annotated[str | None, Query(min_length=1, max_length=500, description="how the source begins")] = None,
    media_type: Annotated[str | None, Query(min_length=1, max_length=200, description="such as text/markdown")] = None,
    instance: Annotated[UUID | None, Query(description="the process instance that made it")] = None,
    before: Annotated[UUID | None, Query(description="id of the last document of the page before")] = None,
    limit: Limit = 50,
) -> Page[DocumentSummary]:
    """Documents, newest first, without their text."""
    items = await kernel.find_documents(title, source, media_type, instance, before, limit)
    where = {"title": title, "source": source, "media_type": media_type, "instance": instance}
    return page("/documents", items, limit, "doc_id", **where)


@router.get("/search", summary="Search documents", responses=errors(502))
async def search_documents(
    request: Request,
    kernel: CallersKernel,
    q: Annotated[
        str,
        AfterValidator(_has_words),
        Query(min_length=1, max_length=2000, pattern=r"\S", description="what is looked for"),
    ],
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


@router.delete("/{document_id}", summary="Delete a document", responses=errors(404))
async def delete_document(document_id: UUID, kernel: CallersKernel) -> DeletedDocument:
    """The document and its passages are gone at once; citations that name it stay as they are."""
    return await kernel.delete_document(document_id)


def _sources_of(files: list[UploadFile], source: str | None) -> list[str]:
    """The source of each file. Raises ApiProblem 422 where one has none that can be stored, or two have the same."""
    names = [_source_of(file, source, len(files)) for file in files]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        detail, remedy = f"Two files are called {twice}.", "Rename one, or send them one by one with a `source` each."
        raise ApiProblem(422, "request_invalid", detail, field="files", value=twice, remedy=remedy)
    return names


def _source_of(file: UploadFile, source: str | None, files: int) -> str:
    if source is not None and files > 1:
        detail = f"source names one document, but {files} files were sent."
        raise ApiProblem(422, "request_invalid", detail, field="source", remedy="Leave it out, or send one file.")
    name = check_text(source or file.filename or "", "source" if source else "files")
    if not 1 <= len(name) <= _LONGEST_SOURCE:
        detail = f"The name of a file must have 1 to {_LONGEST_SOURCE} characters."
        raise ApiProblem(422, "request_invalid", detail, field="files", remedy="Rename it, or give `source`.")
    return name


async def _read(services: Services, name: str, file: UploadFile) -> ReadFile:
    return await services.reader.read(file.filename or name, await file.read(), file.content_type)


async def _with_vectors(services: Services, source: str, file: ReadFile) -> Json:
    """A document as the kernel stores it: its passages with their vectors."""
    vectors = await services.embedder.embed([f"{chunk.heading}\n{chunk.text}" for chunk in file.chunks])
    chunks = [
        {"chunk": chunk.index, "heading": chunk.heading, "content": chunk.text, "embedding": vector}
        for chunk, vector in zip(file.chunks, vectors, strict=True)
    ]
    text = file.source
    head = {"title": text.title, "source": source, "media_type": text.media_type, "content": text.text}
    return {**head, "chunks": chunks}


def _saved(doc_id: UUID, source: str, file: ReadFile) -> SavedDocument:
    return SavedDocument(
        doc_id=doc_id,
        title=file.source.title,
        source=source,
        media_type=file.source.media_type,
        characters=len(file.source.text),
        passages=len(file.chunks),
    )
