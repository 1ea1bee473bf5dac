"""/mcp-servers: where a tenant's tasks find tools besides those of the pod."""

from typing import Annotated

from fastapi import Path

from execution_api.access.auth import CallersKernel
from execution_api.bodies.mcp_import import NotTaken, read_entry
from execution_api.bodies.mcp_servers import (
    McpServerRequest,
    McpServersImport,
    McpServersImported,
    McpServerSwitch,
    Name,
    Refusal,
)
from execution_api.bodies.rows import Items
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.errors import NotFound, Refused
from kernel.functions import Kernel
from kernel.mcp_server_models import McpServer

router = room("MCP servers")
_Name = Annotated[Name, Path(examples=["crm"])]


@router.get("/mcp-servers", summary="List MCP servers", responses=errors())
async def list_mcp_servers(kernel: CallersKernel) -> Items[McpServer]:
    """All servers of the tenant by name; there are at most 50. Of their headers only the names are shown."""
    return Items(items=await kernel.find_mcp_servers())


@router.get("/mcp-servers/{name}", summary="Look into an MCP server", responses=errors(404))
async def get_mcp_server(name: _Name, kernel: CallersKernel) -> McpServer:
    """One server, without the values of its headers and the query of its url."""
    found = await kernel.find_mcp_servers(name)
    if not found:
        raise NotFound(f"There is no MCP server {name}.", "mcp_server_unknown", "GET /mcp-servers lists them.")
    return found[0]


@router.put("/mcp-servers/{name}", summary="Save an MCP server", responses=errors(409, 413))
async def put_mcp_server(name: _Name, body: McpServerRequest, kernel: CallersKernel) -> McpServer:
    """Add a server, or replace the one of this name. Running tasks see the change at their next look."""
    return await _save(kernel, name, body)


@router.patch("/mcp-servers/{name}", summary="Enable or disable an MCP server", responses=errors(404, 413))
async def switch_mcp_server(name: _Name, body: McpServerSwitch, kernel: CallersKernel) -> McpServer:
    """While it is disabled its tools are not there, for running tasks either; what it answered before is replayed."""
    return await kernel.switch_mcp_server(name, body.enabled)


@router.delete("/mcp-servers/{name}", summary="Delete an MCP server", responses=errors(404))
async def delete_mcp_server(name: _Name, kernel: CallersKernel) -> McpServer:
    """Delete a server with its credentials. The answer is what it was."""
    return await kernel.delete_mcp_server(name)


@router.post("/mcp-servers/import", summary="Take over an mcp.json", responses=errors(413))
async def import_mcp_servers(body: McpServersImport, kernel: CallersKernel) -> McpServersImported:
    """Save each server that can be one here, and say of each other why not."""
    imported = McpServersImported(saved=[], refused=[], ignored={})
    for name, entry in sorted(body.mcpServers.items()):
        try:
            server, ignored = read_entry(name, entry)
            imported.saved.append(await _save(kernel, name, server))
        except (NotTaken, Refused) as refusal:
            imported.refused.append(Refusal(name=name, reason=str(refusal)))
            continue
        if ignored:
            imported.ignored[name] = ignored
    return imported


async def _save(kernel: Kernel, name: str, body: McpServerRequest) -> McpServer:
    return await kernel.put_mcp_server(
        name,
        body.url,
        description=body.description,
        headers=body.headers,
        enabled=body.enabled,
        allowed_tools=body.allowed_tools,
        idempotent_tools=body.idempotent_tools,
        timeout_seconds=body.timeout_seconds,
    )
