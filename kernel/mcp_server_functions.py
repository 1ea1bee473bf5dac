"""The functions of init.sql about the tool servers of a tenant, one method each.

The tenant is the one of the kernel's claims, for the pod that of its task.
"""

from collections.abc import Mapping

from kernel.base import KernelBase
from kernel.mcp_server_models import McpServer, ServerAccess
from kernel.models import ClaimedTask


class McpServerFunctions(KernelBase):
    """Saying which tool servers there are, and reading how to reach them."""

    async def put_mcp_server(
        self,
        name: str,
        url: str,
        *,
        description: str = "",
        headers: Mapping[str, str] | None = None,
        enabled: bool = True,
        allowed_tools: list[str] | None = None,
        idempotent_tools: list[str] | None = None,
        timeout_seconds: int = 60,
    ) -> McpServer:
        """Add a server, or replace the one of that name. `headers` None leaves those that are stored.

        Raises InvalidInput where stored headers would go to another host, Conflict where the tenant has 50 already.
        """
        rows = await self._call(
            "put_mcp_server",
            name=name,
            url=url,
            description=description,
            headers=None if headers is None else dict(headers),
            enabled=enabled,
            allowed_tools=allowed_tools or [],
            idempotent_tools=idempotent_tools or [],
            timeout_seconds=timeout_seconds,
        )
        return McpServer.model_validate(rows[0])

    async def find_mcp_servers(self, name: str | None = None) -> list[McpServer]:
        """All servers of the tenant by name, or the one of this name."""
        return [McpServer.model_validate(row) for row in await self._call("find_mcp_servers", name=name)]

    async def switch_mcp_server(self, name: str, enabled: bool) -> McpServer:
        """Enable or disable a server. Raises NotFound."""
        return McpServer.model_validate((await self._call("switch_mcp_server", name=name, enabled=enabled))[0])

    async def delete_mcp_server(self, name: str) -> McpServer:
        """Delete a server. Returns what it was. Raises NotFound."""
        return McpServer.model_validate((await self._call("delete_mcp_server", name=name))[0])

    async def task_mcp_servers(self, task: ClaimedTask) -> list[ServerAccess]:
        """The enabled servers of the tenant of `task`, by name. Raises LeaseLost."""
        rows = await self._call(
            "task_mcp_servers", tenant_id=task.tenant_id, task_id=task.task_id, fencing_token=task.fencing_token
        )
        return [ServerAccess.model_validate(row) for row in rows]
