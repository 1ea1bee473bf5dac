"""A tool of a tenant's server, with its name among the tools of a task and the rules for running it again."""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mcp_types as types

from agent_pod.tool_door.tool_result import mcp_result
from agent_pod.tool_door.tool_servers.client import ServerClient, ServerFailed
from agent_pod.tool_door.tools import NotDone, OutcomeUnknown, Tool
from kernel.mcp_server_models import ServerAccess
from kernel.models import ClaimedTask, Json

SEPARATOR = "__"
_LONGEST_NAME = 64  # of a function at OpenAI: https://platform.openai.com/docs/api-reference/chat/create
_PAUSES = (0.2, 1.0)


def tool_name(server: str, tool: str) -> str:
    """The name of a server's tool for models: server__tool, and where that is no function's name, cut with a hash."""
    plain = f"{server}{SEPARATOR}{tool}"
    if len(plain) <= _LONGEST_NAME and re.fullmatch("[A-Za-z0-9_-]+", plain):
        return plain
    mark = "_" + hashlib.sha256(tool.encode()).hexdigest()[:8]
    return re.sub("[^A-Za-z0-9_-]", "_", plain)[: _LONGEST_NAME - len(mark)] + mark


def server_of(name: str) -> str | None:
    """The server whose tool `name` may be; None: a tool of the pod."""
    server, separator, _ = name.partition(SEPARATOR)
    return server if separator else None


@dataclass(frozen=True)
class ServerTool(Tool):
    """A tool of a server. `hints`: what the server says of it.

    `idempotent`: it only reads. `keyed`: the server or the tenant's configuration says that it may run again.
    """

    hints: types.ToolAnnotations = field(default_factory=types.ToolAnnotations)

    @property
    def annotations(self) -> types.ToolAnnotations:
        """What the server says."""
        return self.hints

    async def __call__(self, task: ClaimedTask, arguments: Json, meta: Json) -> Json:
        """Run. The server is the judge of its arguments."""
        return await self.run(task, arguments, meta)


def server_tool(
    client: ServerClient, server: ServerAccess, mode: str, tool: types.Tool, before_call: Callable[[], Awaitable[None]]
) -> ServerTool:
    """`tool` of `server` as the gateway runs it; `before_call` as in ServerClient.call."""
    hints = tool.annotations or types.ToolAnnotations()
    reads = bool(hints.read_only_hint)
    again = reads or bool(hints.idempotent_hint) or tool.name in server.idempotent_tools

    async def run(_task: ClaimedTask, arguments: Json, meta: Json) -> Json:
        try:
            call = partial(client.call, server, mode, tool.name, arguments, meta, before_call=before_call)
            return mcp_result(await _persistently(call, server.timeout_seconds, again))
        except ServerFailed as failure:
            if failure.may_have_run and not reads:
                raise OutcomeUnknown(str(failure)) from None
            raise NotDone(f"{tool.name}: {failure}") from None

    name = tool_name(server.name, tool.name)
    return ServerTool(name, tool.description or "", _sorted(tool.input_schema), reads, run, again, hints=hints)


def missing_tool(server: ServerAccess, name: str, why: str) -> ServerTool:
    """What stands for the tool `name` of a server that gives no list: a call says why."""

    async def run(_task: ClaimedTask, _arguments: Json, _meta: Json) -> Json:
        raise NotDone(f"{name}: {why}")

    said = f"The MCP server {server.name!r} did not say what this does."
    return ServerTool(name, said, {"type": "object"}, False, run)


async def _persistently(call: Callable[[float], Awaitable[Json]], seconds: float, again: bool) -> Json:
    """`call`, with the seconds that are left of `seconds`, again where that may help and cannot do anything twice."""
    until = time.monotonic() + seconds
    doubt, left = False, seconds
    for pause in (*_PAUSES, None):
        try:
            return await call(left)
        except ServerFailed as failure:
            doubt = doubt or failure.may_have_run
            last = ServerFailed(str(failure), doubt, False)
            late = pause is None or time.monotonic() + pause >= until
            if late or not failure.may_pass or (failure.may_have_run and not again):
                raise last from None
        await asyncio.sleep(pause or 0)
        left = until - time.monotonic()
        if left <= 0:  # the pause was longer than it was to be: the pod was frozen
            raise last
    raise AssertionError("unreachable")


def _sorted(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _sorted(schema[name]) for name in sorted(schema)}
    return [_sorted(part) for part in schema] if isinstance(schema, list) else schema
