"""What documents look like to our programs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from kernel.models import Record


class DocumentSummary(Record):
    """A document in a list; `characters` is its length."""

    doc_id: UUID
    title: str
    source: str | None
    media_type: str
    characters: int
    proc_inst_id: UUID | None
    created_by: str
    created_at: datetime


class Document(Record):
    """A document whole; `sources` are its citations where an agent wrote it."""

    doc_id: UUID
    title: str
    source: str | None
    media_type: str
    content: str
    sources: list[Any]
    proc_inst_id: UUID | None
    created_by: str
    created_at: datetime


class DeletedDocument(Record):
    """A document that was deleted."""

    doc_id: UUID
    title: str
    source: str | None


class Passage(Record):
    """A chunk that a search found; `score` is the sum of reciprocal ranks, at most 2/61."""

    doc_id: UUID
    title: str
    source: str | None
    chunk: int
    heading: str
    content: str
    score: float
