"""The tools that every task has: searching, reading and saving documents, and saying how far it is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import mcp_types as types

from kernel.functions import Kernel
from kernel.models import ClaimedTask
from knowledge.chunks import split
from knowledge.embed import Embedder
from process_engine import schema_check

IDEMPOTENCY_KEY = "processfleet/idempotency-key"  # in `_meta` of a call; the same when the call is made again
_PAGE_CHARACTERS = 20_000
_Json = dict[str, Any]


class ToolRefused(Exception):
    """The call cannot be done as it was asked; the message tells the model what to change."""


class NotDone(ToolRefused):
    """The tool surely did nothing this time, which says nothing of an earlier try of the same call."""


class OutcomeUnknown(Exception):
    """Nobody knows whether the tool did its work; the message says why. A tool that may run again is asked later."""


@dataclass(frozen=True)
class Tool:
    """A tool: what the model is told, and what it does with a task, arguments and `_meta`.

    `idempotent` (told to clients as an MCP annotation): the same arguments again change nothing more. `keyed`: it does
    what it does once for each idempotency key. `offered`: models see it without being told of it by the agent's list.
    """

    name: str
    description: str
    input_schema: _Json
    idempotent: bool
    run: Callable[[ClaimedTask, _Json, _Json], Awaitable[_Json]]
    keyed: bool = False
    offered: bool = True

    @property
    def may_run_again(self) -> bool:
        """Whether a call that may have been done can be made again with the same idempotency key."""
        return self.idempotent or self.keyed

    @property
    def annotations(self) -> types.ToolAnnotations:
        """What clients are told of how it behaves."""
        return types.ToolAnnotations(idempotent_hint=self.idempotent)

    async def __call__(self, task: ClaimedTask, arguments: _Json, meta: _Json) -> _Json:
        """Run for `task`. Raises ToolRefused on arguments that do not fit the schema."""
        fault = schema_check.fault(self.input_schema, arguments)
        if fault is not None:
            raise ToolRefused(f"{self.name}: {fault}")
        return await self.run(task, arguments, meta)


class DocumentTools:
    """Tools over the tenant's documents; each call acts within the tenant of the claimed task."""

    def __init__(self, kernel: Kernel, embedder: Embedder, embedding_model: str):
        self._kernel = kernel
        self._embedder = embedder
        self._model = embedding_model

    def all(self) -> list[Tool]:
        """The tools, in the order in which models see them."""
        return [
            Tool(
                "search_documents",
                "Search the knowledge base by words and meaning. Returns passages with the document they are from.",
                _schema({"query": _text("What to look for."), "limit": _integer("Most passages.", 1, 20)}, ["query"]),
                True,
                self._search,
            ),
            Tool(
                "read_document",
                f"Read a document of the knowledge base, {_PAGE_CHARACTERS} characters from `offset` on.",
                _schema(
                    {
                        "document_id": _text("The document_id of a search result."),
                        "offset": _integer("First character.", 0, None),
                    },
                    ["document_id"],
                ),
                True,
                self._read,
            ),
            Tool(
                "save_document",
                "Save a Markdown document to the knowledge base, with the sources it cites. Returns its document_id.",
                _schema(
                    {
                        "title": _text("Title of the document."),
                        "content": _text("Text in Markdown."),
                        "sources": {
                            "type": "array",
                            "items": {"type": "object"},
                            "description": "What it cites: document_id, title and quote of each.",
                        },
                    },
                    ["title", "content"],
                ),
                False,
                self._save,
                keyed=True,
            ),
            Tool(
                "report_progress",
                "Tell the people who watch this task what you are doing.",
                _schema(
                    {
                        "message": _text("One sentence."),
                        "percent": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
                    },
                    ["message"],
                ),
                True,
                self._progress,
            ),
        ]

    async def _search(self, task: ClaimedTask, arguments: _Json, meta: _Json) -> _Json:
        query = arguments["query"]
        [meaning] = await self._embedder.embed([query])
        found = await self._within(task).search_documents(query, self._model, meaning, arguments.get("limit", 5))
        return {
            "results": [
                {
                    "document_id": str(passage.doc_id),
                    "title": passage.title,
                    "source": passage.source,
                    "chunk": passage.chunk,
                    "text": passage.content,
                    "score": round(passage.score, 6),
                }
                for passage in found
            ]
        }

    async def _read(self, task: ClaimedTask, arguments: _Json, meta: _Json) -> _Json:
        try:
            document = await self._within(task).get_document(UUID(arguments["document_id"]))
        except ValueError:
            document = None
        if document is None:
            raise ToolRefused(
                f"There is no document {arguments['document_id']!r}. Use a document_id that a search gave."
            )
        offset = arguments.get("offset", 0)
        return {
            "document_id": str(document.doc_id),
            "title": document.title,
            "text": document.content[offset : offset + _PAGE_CHARACTERS],
            "total_chars": len(document.content),
        }

    async def _save(self, task: ClaimedTask, arguments: _Json, meta: _Json) -> _Json:
        title, content = arguments["title"], arguments["content"]
        chunks = split(content)
        vectors = await self._embedder.embed([f"{chunk.heading}\n{chunk.text}" for chunk in chunks])
        rows = [
            {"chunk": chunk.index, "heading": chunk.heading, "content": chunk.text, "embedding": vector}
            for chunk, vector in zip(chunks, vectors, strict=True)
        ]
        sources, key = arguments.get("sources", []), UUID(meta[IDEMPOTENCY_KEY])
        saved = await self._kernel.save_task_document(task, title, content, sources, self._model, rows, key)
        return {"document_id": str(saved), "title": title}

    async def _progress(self, task: ClaimedTask, arguments: _Json, meta: _Json) -> _Json:
        await self._kernel.report_progress(task, arguments["message"], {"percent": arguments.get("percent")})
        return {"ok": True}

    def _within(self, task: ClaimedTask) -> Kernel:
        return self._kernel.as_tenant(task.tenant_id, f"task:{task.task_id}")


def _schema(properties: _Json, required: list[str]) -> _Json:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _text(description: str) -> _Json:
    return {"type": "string", "minLength": 1, "description": description}


def _integer(description: str, minimum: int, maximum: int | None) -> _Json:
    most = {} if maximum is None else {"maximum": maximum}
    return {"type": "integer", "minimum": minimum, **most, "description": description}
