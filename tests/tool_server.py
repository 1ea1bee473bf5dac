"""A real MCP server on loopback that counts what it does, and can be made slow, broken or talkative."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import mcp_types as types
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_pod.servers import LoopServer

KEY = "processfleet/idempotency-key"


class ToolServer:
    """Tools: `charge` (not idempotent), `renew` (idempotent), `peek` (reads only), `headers`, `fails`.

    `done`: what was done, as (tool, argument, idempotency key). `asked`: the HTTP headers of all requests. The next
    call hangs after it was done with `hang`, is cut off then with `cut`, and `status` answers everything. A `legacy`
    server knows MCP before 2026-07-28 only, one that `streams` answers with events.
    """

    def __init__(self) -> None:
        self.done: list[tuple[str, Any, str | None]] = []
        self.asked: list[dict[str, str]] = []
        self.hang = asyncio.Event()
        self.hangs = False
        self.cut = False
        self.status: int | None = None
        self.started = asyncio.Event()
        self.url = ""
        self._cutting = False
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._mcp = MCPServer("billing")
        hints = types.ToolAnnotations
        self._mcp.add_tool(self.charge, name="charge", description="Charge a card.")
        self._mcp.add_tool(self.renew, name="renew", annotations=hints(idempotent_hint=True))
        self._mcp.add_tool(self.peek, name="peek", annotations=hints(read_only_hint=True))
        self._mcp.add_tool(self.headers, name="headers", annotations=hints(read_only_hint=True))
        self._mcp.add_tool(self.fails, name="fails")

    async def charge(self, amount: int, ctx: Context) -> dict[str, int]:
        return await self._do("charge", amount, ctx)

    async def renew(self, amount: int, ctx: Context) -> dict[str, int]:
        return await self._do("renew", amount, ctx)

    async def peek(self, amount: int, ctx: Context) -> dict[str, int]:
        return await self._do("peek", amount, ctx)

    async def headers(self) -> str:
        sent = self.asked[-1]
        return f"you sent {sent} and {sent.get('authorization', '').removeprefix('Bearer ')}"

    async def fails(self) -> str:
        raise ToolError(f"no luck with {self.asked[-1].get('authorization')}")

    async def _do(self, tool: str, amount: int, ctx: Context) -> dict[str, int]:
        meta = ctx.request_context.meta or {}
        self.done.append((tool, amount, meta.get(KEY)))
        self.started.set()
        if self.hangs:
            await self.hang.wait()
        if self.cut:
            self.cut, self._cutting = False, True
        return {"number": len(self.done)}

    @contextlib.asynccontextmanager
    async def running(self, *, streams: bool = False, legacy: bool = False) -> AsyncIterator["ToolServer"]:
        # In a task of its own, because a fixture is entered and left by different ones.
        serving = asyncio.create_task(self._serve(streams, legacy))
        await self._up.wait()
        yield self
        self.hang.set()
        self._down.set()
        await serving

    async def _serve(self, streams: bool, legacy: bool) -> None:
        app = self._mcp.streamable_http_app(json_response=not streams)
        watched = self._watched(app, legacy)
        async with app.router.lifespan_context(app), LoopServer(watched, "127.0.0.1", 0) as server:
            self.url = f"{server.url}/mcp"
            self._up.set()
            await self._down.wait()

    def _watched(self, app: ASGIApp, legacy: bool) -> ASGIApp:
        async def watch(scope: Scope, receive: Receive, send: Send) -> None:
            self.asked.append({name.decode(): value.decode() for name, value in scope["headers"]})
            too_new = legacy and self.asked[-1].get("mcp-protocol-version", "") > "2026"
            if self.status is not None or too_new:
                await PlainTextResponse("not now", self.status or 400)(scope, receive, send)
                return

            async def send_or_break(message: Message) -> None:
                if not self._cutting:
                    await send(message)
                elif message["type"] == "http.response.start":
                    await send(
                        {**message, "headers": [(b"content-type", b"application/json"), (b"content-length", b"9999")]}
                    )
                else:
                    self._cutting = False  # and the connection is closed: more was promised

            await app(scope, receive, send_or_break)

        return watch
