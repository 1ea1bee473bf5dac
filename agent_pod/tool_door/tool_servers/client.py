"""Asks an MCP server for its tools, and calls them. Nothing that comes from here holds a credential of the server."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import httpx2
import mcp_types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agent_pod.run.storable import storable
from agent_pod.tool_door.tool_servers.redaction import Redaction
from agent_pod.tool_door.tool_servers.transport import MOST_BYTES, TooLarge, WatchedTransport
from kernel.mcp_server_models import ServerAccess
from kernel.models import Json
from kernel.reachable import Unreachable

_LISTING_SECONDS = 15
_MOST_PAGES = 20
_MOST_LISTED = 1_000_000  # characters of all tools of a server together; a model has to read them
_LONGEST_REASON = 500
# Errors that the client makes up itself where no answer came, or none that it can read.
_MADE_UP = (types.CONNECTION_CLOSED, types.REQUEST_TIMEOUT, types.PARSE_ERROR, types.INVALID_REQUEST)


async def _nothing() -> None:
    pass


class ServerFailed(Exception):
    """A server gave no result. The message says which and why.

    `may_have_run`: nobody knows whether the call was done; `may_pass`: asking again may help.
    """

    def __init__(self, message: str, may_have_run: bool, may_pass: bool):
        super().__init__(message)
        self.may_have_run = may_have_run
        self.may_pass = may_pass


@dataclass(frozen=True)
class Listing:
    """The tools of a server, by name; `mode`: how a Client talks to it without asking first."""

    tools: list[types.Tool]
    mode: str


class ServerClient:
    """One for a pod. `allowed`: private networks where servers may be; there plain http is allowed as well."""

    def __init__(self, allowed: Sequence[IPv4Network | IPv6Network]):
        self._allowed = allowed
        self._tls = ssl.create_default_context()

    async def list_tools(self, server: ServerAccess) -> Listing:
        """All tools of `server`. Raises ServerFailed."""
        seconds = min(server.timeout_seconds, _LISTING_SECONDS)
        found: dict[str, Json] = {}
        async with self._attempt(server, seconds, "auto") as client:
            cursor, pages = None, 0
            while pages == 0 or cursor is not None:
                page = await client.list_tools(cursor=cursor)
                found = {**{tool.name: _wire(tool) for tool in page.tools}, **found}
                cursor, pages = page.next_cursor, pages + 1
                if pages > _MOST_PAGES or len(json.dumps(found)) > _MOST_LISTED:
                    raise TooLarge(f"has more tools than {_MOST_PAGES} pages or {_MOST_LISTED} characters of them")
            version = client.protocol_version
        redacted = Redaction(server).value(storable([found[name] for name in sorted(found)]))
        tools = [types.Tool.model_validate(tool) for tool in redacted]
        return Listing(tools, version if version in MODERN_PROTOCOL_VERSIONS else "legacy")

    async def call(
        self,
        server: ServerAccess,
        mode: str,
        tool: str,
        arguments: Json,
        meta: Json,
        seconds: float,
        before_call: Callable[[], Awaitable[None]] = _nothing,
    ) -> Json:
        """The result of a tool as MCP writes it, at most `seconds` from now. Raises ServerFailed.

        `before_call` is awaited when all is ready for the call itself; where it raises, nothing is called.
        """
        params = types.CallToolRequestParams.model_validate({"name": tool, "arguments": arguments, "_meta": meta})
        request = types.CallToolRequest(params=params)
        result: types.CallToolResult | None = None
        try:
            async with self._attempt(server, seconds, mode, before_call) as client:
                result = await _send(client, request)
        except ServerFailed:
            if result is None:  # else only the farewell failed
                raise
        assert result is not None
        return Redaction(server).value(storable(_wire(result.model_copy(update={"meta": None}))))

    @contextlib.asynccontextmanager
    async def _attempt(
        self, server: ServerAccess, seconds: float, mode: str, before_call: Callable[[], Awaitable[None]] = _nothing
    ) -> AsyncIterator[Client]:
        transport = WatchedTransport(self._allowed, self._tls, before_call)
        headers = {name: value.get_secret_value() for name, value in server.headers.items()}
        timeout = httpx2.Timeout(seconds)
        try:
            async with (
                asyncio.timeout(seconds),
                httpx2.AsyncClient(transport=transport, headers=headers, timeout=timeout, trust_env=False) as http,
                Client(
                    streamable_http_client(
                        server.url.get_secret_value(), http_client=http, max_sse_event_size=MOST_BYTES
                    ),
                    mode=mode,
                    cache=None,
                ) as client,
            ):
                yield client
        except Exception as error:
            raise _failure(server, _cause(error), transport, seconds) from None


async def _send(client: Client, request: types.CallToolRequest) -> types.CallToolResult:
    # Not client.call_tool: that asks for the list of tools after the call, and drops a result that does not fit it.
    try:
        return await client.session.send_request(request, types.CallToolResult)
    except MCPError as error:
        if error.code != types.HEADER_MISMATCH:
            raise
    await client.list_tools()  # tells which arguments the server wants as headers (MCP 2026-07-28)
    return await client.session.send_request(request, types.CallToolResult)


def _failure(server: ServerAccess, error: BaseException, transport: WatchedTransport, seconds: float) -> ServerFailed:
    status = transport.call_status
    made_up = isinstance(error, MCPError) and error.code in _MADE_UP
    answered = status is not None and (
        300 <= status < 500
        or (status < 300 and isinstance(error, MCPError) and not made_up)
        or (status < 300 and isinstance(error, ValidationError))
        or transport.too_large
    )
    reason = Redaction(server).text(_reason(error, transport, seconds))[:_LONGEST_REASON]
    passing = isinstance(error, httpx2.TransportError) or made_up or (transport.status or 0) >= 500
    return ServerFailed(
        f"the MCP server {server.name!r} {reason}",
        may_have_run=transport.call_sent and not answered,
        may_pass=passing,
    )


def _reason(error: BaseException, transport: WatchedTransport, seconds: float) -> str:
    if transport.too_large:
        return f"answered with more than {MOST_BYTES >> 20} MB"
    match error:
        case TooLarge():
            return str(error)
        case TimeoutError() | httpx2.TimeoutException():
            return f"gave no answer within {seconds:.3g} s"
        case Unreachable() | httpx2.ConnectError():
            return f"cannot be reached: {error}"
        case MCPError():
            return _answer(error, transport.status)
        case _:
            return "answered with something that is not MCP" if isinstance(error, ValidationError) else "broke off"


def _answer(error: MCPError, status: int | None) -> str:
    if status is None or status < 300:
        return f"answered: {error.message}"
    hint = ": it does not take the credentials in its headers" if status in (401, 403) else ""
    return f"answered with HTTP {status}: {error.message}{hint}"


def _cause(error: BaseException) -> BaseException:
    """The first error in groups of errors: the client runs in task groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _wire(value: types.Tool | types.CallToolResult) -> Json:
    return value.model_dump(by_alias=True, mode="json", exclude_none=True)
