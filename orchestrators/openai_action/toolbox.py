"""The tool endpoint: the MCP tools an agent may use, as functions for the model. A tool's error is a result."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent, Tool

from orchestrators import kit
from orchestrators.answers.ledger import Ledger
from orchestrators.openai_action.model import Message, ToolCall


@asynccontextmanager
async def open_toolbox(task: kit.Task, http: httpx2.AsyncClient, ledger: Ledger) -> AsyncIterator["Toolbox"]:
    """Connect to the task's tool endpoint for the length of a `with` block.

    Raises:
        kit.Failed: the endpoint is not there, or does not take the task's token.
        kit.Refused: `agent.tools` names a tool that the endpoint does not offer.
    """
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(Client(streamable_http_client(task.tools_url, http_client=http)))
            offered = {tool.name: tool for tool in await _listed(client)}
        except Exception as error:
            reason = f"The tool endpoint could not be opened: {kit.single_error(error)}"
            raise kit.Failed(reason) from error
        yield Toolbox(client, _allowed(offered, (task.agent or {}).get("tools") or []), ledger)


class Toolbox:
    """The tools of one run."""

    def __init__(self, client: Client, tools: dict[str, Tool], ledger: Ledger) -> None:
        self._client = client
        self._tools = tools
        self._ledger = ledger
        self.functions = [_as_function(tools[name]) for name in sorted(tools)]

    async def answer(self, call: ToolCall) -> Message:
        """Run the tool and return the message that tells the model; what went wrong is told, never raised."""
        try:
            content = await self._run(call)
        except Exception as error:  # whatever a tool or its server does, the model decides how to go on
            content = f"Error: {error}"
        return {"role": "tool", "tool_call_id": call.id, "content": content}

    async def _run(self, call: ToolCall) -> str:
        if call.name not in self._tools:
            return f"Error: there is no tool {call.name!r}; there are {', '.join(sorted(self._tools))}."
        arguments = json.loads(call.arguments or "{}")
        if not isinstance(arguments, dict):
            return f"Error: the arguments must be an object, not {call.arguments}."
        result = await self._client.call_tool(call.name, arguments)
        if result.is_error:
            return f"Error: {_text(result)}"
        self._ledger.note(call.name, result.structured_content)
        return _content(result)


async def _listed(client: Client) -> list[Tool]:
    page = await client.list_tools()
    tools = list(page.tools)
    while page.next_cursor:
        page = await client.list_tools(cursor=page.next_cursor)
        tools += page.tools
    return tools


def _allowed(offered: dict[str, Tool], names: list[str]) -> dict[str, Tool]:
    """Return the tools in `names`, or all when it is empty."""
    missing = sorted(set(names) - set(offered))
    if missing:
        raise kit.Refused(
            f"agent.tools names {', '.join(missing)}, which the tool endpoint does not offer; "
            f"it offers {', '.join(sorted(offered)) or 'none'}."
        )
    return {name: offered[name] for name in names} if names else offered


def _as_function(tool: Tool) -> dict[str, Any]:
    # Chat completions require `properties`, which MCP leaves out for a tool without arguments.
    parameters = {"type": "object", "properties": {}, **tool.input_schema}
    function = {"name": tool.name, "description": tool.description or "", "parameters": parameters}
    return {"type": "function", "function": function}


def _content(result: CallToolResult) -> str:
    """Return the result as the model reads it: one spelling for equal results, whoever stored them between."""
    if result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False, sort_keys=True)
    return _text(result)


def _text(result: CallToolResult) -> str:
    return "\n".join(
        block.text if isinstance(block, TextContent) else f"({block.type} left out)" for block in result.content
    )
