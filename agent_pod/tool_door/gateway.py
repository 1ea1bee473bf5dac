"""The tool endpoint of orchestrators: MCP over streamable HTTP, without sessions, so that every call stands alone.

It gives a task the tools of the pod and those of its tenant's MCP servers. Each call is checked against the token of
the task at hand and the agent's list of tools, written to the journal before the tool runs, and again before its result
is handed over. What an earlier run of the task asked is answered from the journal.
"""

import contextlib
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import mcp_types as types
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_pod.calls.journal import OTHER, Asked, Journal
from agent_pod.calls.limiter import LimitReached
from agent_pod.calls.suspension import Suspension
from agent_pod.run.current_task import Desk, Work
from agent_pod.run.outage import through_outage
from agent_pod.run.storable import storable
from agent_pod.tool_door.tool_result import as_result, is_failure
from agent_pod.tool_door.tool_servers.servers import TenantServers
from agent_pod.tool_door.tools import IDEMPOTENCY_KEY, NotDone, OutcomeUnknown, Tool, ToolRefused
from agent_pod.tool_door.waiting_tools import Waits
from kernel.errors import FleetError, InvalidInput, LeaseLost
from knowledge.embed import EmbeddingFailed

logger = logging.getLogger(__name__)
_SHOWN_ARGUMENTS = 1000
_NO_ANSWER = {"error": "the call was left without an answer"}, False


class ToolGateway:
    """MCP server at /mcp. Mount `app`; run it within `app.router.lifespan_context`."""

    def __init__(self, desk: Desk, tools: list[Tool], journal: Journal, suspension: Suspension, servers: TenantServers):
        self._desk = desk
        self._servers = servers
        self._tools = {tool.name: tool for tool in tools}
        self._journal = journal
        self._suspension = suspension
        self._server: Server[Any] = Server("processfleet", on_list_tools=self._list, on_call_tool=self._call)
        self.app: Starlette = self._server.streamable_http_app(
            json_response=True, stateless_http=True, max_request_body_size=32 * 1024 * 1024
        )

    async def _list(
        self, context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        with _left_without_answer("tools/list"):
            work = self._work(context)
            offered = [*self._offered(work), *await self._servers.offered(work)]
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name,
                    description=tool.description,
                    input_schema=tool.input_schema,
                    annotations=tool.annotations,
                )
                for tool in offered
            ]
        )

    async def _call(
        self, context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        with _left_without_answer(params.name):
            return await self._answer(self._work(context), params.name, params.arguments or {})

    async def _answer(self, work: Work, name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        try:
            asked = await self._journal.ask(work, "tool", name, arguments, time.monotonic())
        except InvalidInput as refusal:
            return as_result({"error": f"{name}: the call cannot be recorded: {refusal}"}, False)
        except LimitReached as refusal:
            return as_result({"error": str(refusal)}, False)
        if asked.is_answered:
            return as_result(*await self._journal.replay(asked))
        return as_result(*await self._run(asked, arguments))

    async def _run(self, asked: Asked, arguments: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """Run the tool, with the journal written before and after; returns the result and whether it is a good one.

        Where it may have run and must not run twice, a person decides.
        """
        tool = await through_outage(asked.work, lambda: self._find(asked.work, asked.name))
        label = OTHER if asked.name not in self._tools else asked.name
        may_run_again = tool is not None and tool.may_run_again
        doubt = "its pod died before it answered" if asked.may_have_run and not may_run_again else None
        while doubt is not None or tool is not None:
            asked = await self._journal.begin(asked, tool is not None and tool.idempotent)
            if doubt is None and tool is not None:
                try:
                    with asked.work.calls.run():
                        result, ok = await _outcome(tool, asked, arguments)
                    await self._journal.tool(asked, result, ok, label)
                    return result, ok
                except OutcomeUnknown as unknown:
                    if may_run_again:
                        self._journal.leave_open(asked, label)
                        return {"error": f"{asked.name}: {unknown}. It may have run: you may ask it again."}, False
                    doubt = str(unknown)
                except Waits as waits:
                    return await self._suspension.wait(asked, waits.question) or _NO_ANSWER
            answer = await self._suspension.wait(asked, _unknown_outcome(asked.name, arguments, doubt or ""))
            if answer is not None:
                return answer
            doubt = None
        known = ", ".join(tool.name for tool in [*self._allowed(asked.work), *await self._servers.offered(asked.work)])
        result = {"error": f"There is no tool {asked.name!r} for this task. It has: {known}."}
        await self._journal.tool(asked, result, False, OTHER)
        return result, False

    async def _find(self, work: Work, name: str) -> Tool | None:
        own = {tool.name: tool for tool in self._allowed(work)}
        return own.get(name) or await self._servers.find(work, name)

    def _allowed(self, work: Work) -> list[Tool]:
        named = work.task.agent.tools if work.task.agent else []
        return [tool for tool in self._tools.values() if not named or tool.name in named]

    def _offered(self, work: Work) -> list[Tool]:
        named = work.task.agent.tools if work.task.agent else []
        return [tool for tool in self._allowed(work) if named or tool.offered]

    def _work(self, context: ServerRequestContext[Any]) -> Work:
        work = self._desk.find(context.request.headers.get("authorization")) if context.request else None
        if work is None:
            raise LeaseLost("The token is not that of the task at hand.", "lease_lost")
        return work


@contextlib.contextmanager
def _left_without_answer(what: str) -> Iterator[None]:
    """A lost lease and a database that is away are no defects: a line says so, and the protocol's error."""
    try:
        yield
    except FleetError as error:
        level = logging.INFO if isinstance(error, LeaseLost) else logging.WARNING
        logger.log(level, "%s is left without an answer: %s", what, error)
        raise MCPError(types.INTERNAL_ERROR, str(error)) from None


async def _outcome(tool: Tool, asked: Asked, arguments: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    async def run() -> dict[str, Any]:
        return await tool(asked.work.task, arguments, {IDEMPOTENCY_KEY: asked.idempotency_key})

    try:
        result = storable(await (through_outage(asked.work, run) if tool.may_run_again else run()))
        return result, not is_failure(result)
    except (LeaseLost, Waits, OutcomeUnknown):
        raise
    except NotDone as failure:
        if asked.may_have_run and not tool.idempotent:
            raise OutcomeUnknown(str(failure)) from None
        return storable({"error": str(failure)}), False
    except (ToolRefused, FleetError, EmbeddingFailed) as refusal:
        return storable({"error": str(refusal)}), False
    except Exception as defect:
        logger.exception("tool %s failed", tool.name)
        return {"error": f"the tool failed: {type(defect).__name__}"}, False


def _unknown_outcome(name: str, arguments: dict[str, Any], doubt: str) -> dict[str, Any]:
    asked = json.dumps(arguments, ensure_ascii=False, sort_keys=True)[:_SHOWN_ARGUMENTS]
    return {
        "kind": "unknown_outcome",
        "question": f"The tool {name} was started with {asked}, and {doubt}: it may have run.",
        "form": {
            "type": "object",
            "properties": {"decision": {"enum": ["run_again", "skip", "fail"]}, "result": {"type": "object"}},
            "required": ["decision"],
            "additionalProperties": False,
        },
    }


class OnlyTheTaskAtHand:
    """ASGI middleware: 401 for every request that does not carry the token of the task at hand (RFC 6750)."""

    def __init__(self, app: ASGIApp, desk: Desk):
        self._app = app
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse."""
        headers = dict(scope.get("headers", []))
        if scope["type"] == "http" and self._desk.find(headers.get(b"authorization", b"").decode("latin-1")) is None:
            refusal = JSONResponse(
                {"error": "The token is not that of the task at hand."}, 401, {"WWW-Authenticate": "Bearer"}
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
