"""A real MCP server with the tools a pod offers, and a record of what was called with which token."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback_server import serving
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

REFUND_POLICY = {
    "document_id": "doc-7",
    "title": "Refund policy",
    "source": "policies/refunds.md",
    "chunk": 0,
    "text": "Refunds are paid within 14 days.",
    "score": 0.91,
}


@dataclass
class ToolServer:
    """Where the server listens, which tokens it takes, and what happened there."""

    url: str = ""
    tokens: set[str] = field(default_factory=set)
    calls_break: bool = False
    tokens_seen: list[str] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def called(self, name: str) -> list[dict[str, Any]]:
        """Return the arguments of every call of the tool `name`."""
        return [arguments for tool, arguments in self.calls if tool == name]


@contextmanager
def tool_server(odd: Callable[..., dict[str, Any]] | None = None) -> Iterator[ToolServer]:
    """Serve the tools on a free port: a 401 without one of `tokens`, a 503 for tool calls while `calls_break`.

    `odd` is one more tool.
    """
    record = ToolServer()
    tools = _tools(record)
    if odd is not None:
        tools.add_tool(odd)
    app = _only_with_token(record, tools.streamable_http_app(stateless_http=True, json_response=True))
    with serving(app) as base:
        record.url = f"{base}/mcp"
        yield record


def _tools(record: ToolServer) -> MCPServer:
    server = MCPServer("pod", log_level="CRITICAL")

    @server.tool()
    def search_documents(query: str, limit: int = 5) -> dict[str, Any]:
        """Find passages in the tenant's documents."""
        record.calls.append(("search_documents", {"query": query, "limit": limit}))
        return {"results": [REFUND_POLICY]}

    @server.tool()
    def read_document(document_id: str, offset: int = 0) -> dict[str, Any]:
        """Read one document."""
        record.calls.append(("read_document", {"document_id": document_id, "offset": offset}))
        if document_id != "doc-7":
            raise ToolError(f"There is no document {document_id}.")
        return {"document_id": "doc-7", "title": "Refund policy", "text": REFUND_POLICY["text"], "total_chars": 32}

    @server.tool()
    def save_document(title: str, content: str, sources: list[str] | None = None) -> dict[str, Any]:
        """Keep a document."""
        record.calls.append(("save_document", {"title": title, "content": content, "sources": sources or []}))
        return {"document_id": "doc-new", "title": title}

    @server.tool()
    def report_progress(message: str, percent: float | None = None) -> dict[str, Any]:
        """Tell people what the task is doing."""
        record.calls.append(("report_progress", {"message": message, "percent": percent}))
        return {"taken": True}

    return server


def _only_with_token(record: ToolServer, app: ASGIApp) -> ASGIApp:
    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            token = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
            record.tokens_seen.append(token)
            if token not in record.tokens:
                await PlainTextResponse("unknown token", 401)(scope, receive, send)
                return
            if record.calls_break and headers.get(b"mcp-method") == b"tools/call":
                await PlainTextResponse("the gateway is restarting", 503)(scope, receive, send)
                return
        await app(scope, receive, send)

    return checked
