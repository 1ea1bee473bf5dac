"""The client of a tenant's MCP server: every version of MCP over HTTP, and servers that mean harm."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

import mcp_types
import pytest
from pydantic import SecretStr
from replay_bench import LOOPBACK
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from tool_server import KEY, ToolServer

from agent_pod.servers import LoopServer
from agent_pod.tool_door.tool_servers.client import ServerClient, ServerFailed
from agent_pod.tool_door.tool_servers.redaction import Redaction
from agent_pod.tool_door.tool_servers.tools import server_tool
from agent_pod.tool_door.tools import OutcomeUnknown
from kernel.mcp_server_models import ServerAccess

SECRET = "s3cr3t/of+acme"
Answer = Callable[[Request, dict[str, Any]], Awaitable[Response]]


def access(url: str, seconds: int = 5, **headers: str) -> ServerAccess:
    return ServerAccess(
        name="crm",
        url=SecretStr(url),
        headers={name: SecretStr(value) for name, value in {"Authorization": f"Bearer {SECRET}", **headers}.items()},
        allowed_tools=[],
        idempotent_tools=[],
        timeout_seconds=seconds,
        updated_at=datetime.now(UTC),
    )


def serving(answer: Answer) -> LoopServer:
    """A server of one's own at /mcp: `answer` gives the response to a JSON-RPC request."""

    async def handle(request: Request) -> Response:
        return await answer(request, await request.json())

    return LoopServer(Starlette(routes=[Route("/mcp", handle, methods=["POST"])]), "127.0.0.1", 0)


def result(asked: dict[str, Any], **fields: Any) -> Response:
    return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": {"resultType": "complete", **fields}})


async def discovered(asked: dict[str, Any]) -> Response | None:
    """The answer of a modern server to server/discover."""
    if asked["method"] != "server/discover":
        return None
    return result(asked, supportedVersions=["2026-07-28"], capabilities={"tools": {}}, ttlMs=0, cacheScope="private")


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
async def test_servers_of_all_versions_are_listed_and_called_with_the_key(streams: bool, legacy: bool) -> None:
    client = ServerClient([LOOPBACK])
    async with ToolServer().running(streams=streams, legacy=legacy) as server:
        there = access(server.url)
        listing = await client.list_tools(there)
        assert [tool.name for tool in listing.tools] == ["charge", "fails", "headers", "peek", "renew"]
        assert listing.mode == ("legacy" if legacy else "2026-07-28")
        for mode in {listing.mode, "auto"}:
            said = await client.call(there, mode, "charge", {"amount": 3}, {KEY: "k"}, 5)
            assert said["structuredContent"] and not said.get("isError")
    assert server.done == [("charge", 3, "k")] * (len({listing.mode, "auto"}))


@pytest.mark.parametrize("kind", ["endless", "garbage", "pages", "redirect", "hangs", "empty", "quotes"])
async def test_a_server_that_means_harm_costs_an_error_and_tells_no_secret(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    for quoting in ("mcp.client", "client"):  # as fleet/programs/commands.py has it
        caplog.set_level(logging.CRITICAL + 1, quoting)
    pages = count()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 1_000_000
            await asyncio.sleep(0)

    async def answer(request: Request, asked: dict[str, Any]) -> Response:
        match kind:
            case "endless":
                return StreamingResponse(endless(), media_type="application/json")
            case "garbage":
                return Response(f'{{"you": "{SECRET}"', media_type="application/json")
            case "redirect":
                return RedirectResponse("http://elsewhere.example/mcp", 307)
            case "hangs":
                await asyncio.Event().wait()
            case "quotes":
                error = {"code": -32603, "message": f"{request.headers['authorization']} is not known"}
                return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "error": error})
            case "pages" if asked["method"] == "tools/list":
                tool = {"name": f"t{next(pages)}", "inputSchema": {"type": "object"}}
                return result(asked, tools=[tool], nextCursor="more", ttlMs=0, cacheScope="private")
            case _:
                pass
        return await discovered(asked) or Response()

    reasons = {
        "endless": "answered with more than 16 MB",
        "pages": "has more tools than",
        "hangs": "gave no answer within 1 s",
        "quotes": "answered: [redacted] is not known",
    }
    async with serving(answer) as server:
        with pytest.raises(ServerFailed, match="the MCP server 'crm'") as failure:
            await ServerClient([LOOPBACK]).list_tools(access(f"{server.url}/mcp", 1 if kind == "hangs" else 60))
    assert reasons.get(kind, "") in str(failure.value)
    assert SECRET not in str(failure.value) and SECRET not in caplog.text
    assert not failure.value.may_have_run


@pytest.mark.parametrize(
    ("status", "body", "may_have_run"),
    [
        (404, "no", False), (401, "no", False), (500, "no", True), (502, "no", True), (202, "", True),
        (200, {"error": {"code": -32602, "message": "no such tool"}}, False),
        (200, {"result": {"resultType": "complete", "content": "none"}}, False),
        (200, "<html>", True),
    ],
)  # fmt: skip
async def test_what_a_server_answers_to_a_call_says_whether_it_may_have_run(
    status: int, body: Any, may_have_run: bool
) -> None:
    async def answer(request: Request, asked: dict[str, Any]) -> Response:
        if isinstance(body, str):
            return Response(body, status, media_type="text/plain")
        return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], **body}, status)

    async with serving(answer) as server:
        there = access(f"{server.url}/mcp")
        with pytest.raises(ServerFailed) as failure:
            await ServerClient([LOOPBACK]).call(there, "2026-07-28", "find", {}, {}, 5)
        assert failure.value.may_have_run is may_have_run, str(failure.value)
    with pytest.raises(ServerFailed, match="cannot be reached") as failure:
        await ServerClient([LOOPBACK]).call(there, "2026-07-28", "find", {}, {}, 5)
    assert not failure.value.may_have_run and failure.value.may_pass


async def test_a_pod_that_was_frozen_between_two_tries_makes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 11.4])  # it asks, may ask again at 1.2 of 5 s, and wakes 6.4 s after the end
    monkeypatch.setattr("agent_pod.tool_door.tool_servers.tools.time", SimpleNamespace(monotonic=lambda: next(clock)))
    asked = count()

    async def answer(request: Request, asking: dict[str, Any]) -> Response:
        next(asked)
        return Response("no", 503)

    async def ready() -> None:
        pass

    async with serving(answer) as server:
        renew = mcp_types.Tool(
            name="renew", input_schema={"type": "object"}, annotations=mcp_types.ToolAnnotations(idempotent_hint=True)
        )
        tool = server_tool(ServerClient([LOOPBACK]), access(f"{server.url}/mcp"), "2026-07-28", renew, ready)
        task: Any = None
        with pytest.raises(OutcomeUnknown, match="answered with HTTP 503"):
            await tool(task, {}, {})
    assert next(asked) == 1


async def test_a_name_that_leads_to_a_private_address_is_not_followed() -> None:
    for url in ("http://localhost:1/mcp", "https://127.0.0.1/mcp", "http://169.254.169.254/mcp", "http://[::1]:1/mcp"):
        with pytest.raises(ServerFailed, match="has to allow its network in FLEET_MCP_ALLOW"):
            await ServerClient([]).list_tools(access(url))
    with pytest.raises(ServerFailed, match="begin with https"):
        await ServerClient([]).list_tools(access("http://93.184.216.34/mcp"))


def test_credentials_are_found_in_every_form_in_which_they_are_sent() -> None:
    basic = "Basic YW5uOnN3b3JkZmlzaA=="  # ann:swordfish
    redaction = Redaction(access("https://crm.example/mcp?key=query-key-1", **{"X-Basic": basic, "X-Env": "prod"}))
    said = {"a": [SECRET, f"Bearer {SECRET}", "s3cr3t%2Fof%2Bacme", "swordfish", "query-key-1"], "swordfish": "prod"}
    told = json.dumps(redaction.value(said))
    assert told.count("[redacted]") == 6 and "prod" in told
    assert not any(word in told for word in ("s3cr3t", "swordfish", "query-key", "YW5u"))
