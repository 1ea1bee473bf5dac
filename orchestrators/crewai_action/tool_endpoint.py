# pyright: reportMissingImports=false
"""The tools of the task, through CrewAI's own MCP client.

`Agent(mcps=...)` would name each tool after the address of its server, which differs from pod to pod, give it 30
seconds, and then call it twice more. So the tools are made of the same parts, under their own names, with the time that
HTTP gives them, and with one try.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from crewai.mcp.client import MCPClient
from crewai.mcp.tool_resolver import MCPToolResolver
from crewai.mcp.transports.http import HTTPTransport
from crewai.tools.mcp_native_tool import MCPNativeTool

from orchestrators import kit
from orchestrators.answers.ledger import Ledger
from orchestrators.crewai_action.tool_results import structured

_NO_LIMIT_SECONDS = 7 * 86_400  # the pod limits the run


class EndpointTool(MCPNativeTool):
    """A tool under its own name; what it returns is noted in the ledger."""

    def __init__(self, definition: dict[str, Any], client_factory: Any, ledger: Ledger) -> None:
        """Take a tool as the endpoint lists it. Raises whatever pydantic raises for a schema it cannot hold."""
        name = definition["original_name"]
        schema = MCPToolResolver._json_schema_to_pydantic(name, definition["inputSchema"])
        described = {"description": definition["description"] or "", "args_schema": schema}
        super().__init__(client_factory, name, described, server_name="pod")
        self.name = name
        self._ledger = ledger

    def _run(self, **arguments: Any) -> Any:
        # In a thread of its own, because CrewAI's `_run` starts a loop while it handles an exception, which its client
        # (on Python 3.11) then takes for a failed connection.
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(copy_context().run, asyncio.run, self._run_async(**arguments)).result()
        self._ledger.note(self.name, structured(said))
        return said


def open_tools(task: kit.Task, ledger: Ledger) -> list[EndpointTool]:
    """The tools that the task may use, in the order of their names.

    One whose arguments CrewAI cannot express is left out, which people are told.

    Raises:
        kit.Failed: the endpoint is not there, or does not take the task's token.
        kit.Refused: `agent.tools` names a tool that the endpoint does not offer, or that CrewAI cannot express.
    """

    def client() -> MCPClient:
        transport = HTTPTransport(task.tools_url, {"Authorization": f"Bearer {task.token}"})
        return MCPClient(transport, execution_timeout=_NO_LIMIT_SECONDS, max_retries=1)

    try:
        offered = {tool["original_name"]: tool for tool in asyncio.run(_listed(client()))}
    except Exception as error:
        raise kit.Failed(f"The tool endpoint could not be opened: {kit.single_error(error)}") from error
    named = (task.agent or {}).get("tools") or []
    missing = sorted(set(named) - set(offered))
    if missing:
        raise kit.Refused(
            f"agent.tools names {', '.join(missing)}, which the tool endpoint does not offer; "
            f"it offers {', '.join(sorted(offered)) or 'none'}."
        )
    tools: list[EndpointTool] = []
    for name in sorted(set(named) or offered):
        try:
            tools.append(EndpointTool(offered[name], client, ledger))
        except Exception as error:
            notice = f"CrewAI cannot express the arguments of the tool {name}: {error}"
            if named:
                raise kit.Refused(f"{notice}. Take it out of agent.tools, or use another orchestrator.") from error
            kit.report_progress(task, f"Left out a tool. {notice}")
    return tools


async def _listed(client: MCPClient) -> list[dict[str, Any]]:
    await client.connect()
    try:
        return await client.list_tools()
    finally:
        await client.disconnect()
