"""The tools that every task has: searching, reading and saving documents, and saying how far it is."""

from typing import Any
from uuid import UUID

from agent_pod.tool_door.tools import IDEMPOTENCY_KEY, Tool, ToolRefused, object_schema
from kernel.functions import Kernel
from kernel.models import ClaimedTask
from knowledge.chunks import split
from knowledge.embed import Embedder

_PAGE_CHARACTERS = 20_000
_Json = dict[str, Any]


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
                object_schema(
                    {"query": _text("What to look for."), "limit": _integer("Most passages.", 1, 20)}, ["query"]
                ),
                True,
                self._search,
            ),
            Tool(
                "read_document",
                f"Read a document of the knowledge base, {_PAGE_CHARACTERS} characters from `offset` on.",
                object_schema(
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
                object_schema(
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
                object_schema(
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


def _text(description: str) -> _Json:
    return {"type": "string", "minLength": 1, "description": description}


def _integer(description: str, minimum: int, maximum: int | None) -> _Json:
    most = {} if maximum is None else {"maximum": maximum}
    return {"type": "integer", "minimum": minimum, **most, "description": description}
