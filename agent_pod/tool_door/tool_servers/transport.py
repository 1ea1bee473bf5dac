"""HTTP to one MCP server: only where the operator allows, no more than fits, and with an eye on the tool call."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from ipaddress import IPv4Network, IPv6Network

import httpx2

from agent_pod.run.lease_check import directly_before_writing
from kernel.reachable import find_route

MOST_BYTES = 16 * 1024 * 1024
_SETTING = "FLEET_MCP_ALLOW"


class TooLarge(Exception):
    """The server said more than fits; the message says what."""


class WatchedTransport(httpx2.AsyncBaseTransport):
    """Carries the requests of one connection of an MCP client.

    `call_sent`: a tool call may have reached the server; `call_status`: the HTTP status it was answered with; `status`:
    that of the last POST of any kind; `too_large`: an answer was cut off. `before_call` is awaited directly before a
    tool call is written; where it raises, nothing is.
    """

    def __init__(
        self,
        allowed: Sequence[IPv4Network | IPv6Network],
        tls: ssl.SSLContext,
        before_call: Callable[[], Awaitable[None]],
    ):
        self._allowed = allowed
        self._before_call = before_call
        self._inner = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False)
        self.call_sent = False
        self.call_status: int | None = None
        self.status: int | None = None
        self.too_large = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send `request` to an address that was checked. Raises Unreachable, errors of httpx2, TooLarge, and what
        `before_call` raises."""
        calls = request.method == "POST" and _is_tool_call(request.content)
        route = await find_route(str(request.url), self._allowed, _SETTING)
        fault: httpx2.HTTPError | None = None
        for url in route.urls:
            request.url = httpx2.URL(url)
            request.extensions = {**request.extensions, "sni_hostname": route.name}
            if calls:
                request.extensions["trace"] = directly_before_writing(self._calls)
            try:
                response = await self._inner.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
                fault = error
                continue
            self._answered(request, response, calls)
            return response
        assert fault is not None
        raise fault

    async def aclose(self) -> None:
        """Close all connections."""
        await self._inner.aclose()

    async def _calls(self) -> None:
        await self._before_call()
        self.call_sent, self.call_status = True, None

    def _answered(self, request: httpx2.Request, response: httpx2.Response, calls: bool) -> None:
        if request.method == "POST":
            self.status = response.status_code
        if calls:
            self.call_status = response.status_code
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, self)

    def cut_off(self) -> TooLarge:
        """Note that an answer is too large."""
        self.too_large = True
        return TooLarge()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, transport: WatchedTransport):
        self._stream = stream
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MOST_BYTES
        async for part in self._stream:
            left -= len(part)
            if left < 0:
                raise self._transport.cut_off()
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def _is_tool_call(content: bytes) -> bool:
    try:
        return json.loads(content)["method"] == "tools/call"
    except (ValueError, KeyError, TypeError):
        return False
