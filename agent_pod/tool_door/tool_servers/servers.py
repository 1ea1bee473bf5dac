"""Which tools of its tenant's servers a task has.

Whether a server is enabled, where it is and what it may is read at each look. What its tools are is believed for a
while, and longer while it cannot be asked, so that a run finds the same tools as the run before it.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from agent_pod.run.current_task import Work
from agent_pod.run.lease_check import check_lease
from agent_pod.tool_door.tool_servers.client import Listing, ServerClient, ServerFailed
from agent_pod.tool_door.tool_servers.tools import (
    SEPARATOR,
    ServerTool,
    missing_tool,
    server_of,
    server_tool,
    tool_name,
)
from kernel.functions import Kernel
from kernel.mcp_server_models import ServerAccess

logger = logging.getLogger(__name__)
_FAILURE_SECONDS = 5.0
_STALE_SECONDS = 600.0
_MOST_SERVERS = 1000


@dataclass(frozen=True)
class _Known:
    """What is known of a server. `listing` None: nothing; `failure`: why the last look gave nothing."""

    changed: datetime
    listing: Listing | None
    listed_at: float
    failure: str | None
    believed_until: float


class TenantServers:
    """One for a pod. `listing_seconds`: how long a list of tools is believed."""

    def __init__(self, kernel: Kernel, client: ServerClient, listing_seconds: float):
        self._kernel = kernel
        self._client = client
        self._listing_seconds = listing_seconds
        self._known: dict[tuple[str, str], _Known] = {}

    async def offered(self, work: Work) -> list[ServerTool]:
        """The tools that the task on the desk has, by name; a server that gives no list costs no other server's."""
        servers = [s for s in await self._kernel.task_mcp_servers(work.task) if _is_named(work, s.name)]
        tools = await asyncio.gather(*(self._tools(work, server) for server in servers))
        return sorted((tool for of_server in tools for tool in of_server.values()), key=lambda tool: tool.name)

    async def find(self, work: Work, name: str) -> ServerTool | None:
        """The tool of this name, if the task has it."""
        wanted = server_of(name)
        if wanted is None or not _may_use(work, wanted, name):
            return None
        for server in await self._kernel.task_mcp_servers(work.task):
            if server.name == wanted:
                known = await self._look(work, server)
                if known.listing is None:
                    return missing_tool(server, name, known.failure or "")
                return self._of(work, server, known.listing).get(name)
        return None

    async def _tools(self, work: Work, server: ServerAccess) -> dict[str, ServerTool]:
        known = await self._look(work, server)
        if known.failure is not None and server.name not in work.servers_down:
            work.servers_down.add(server.name)
            await self._kernel.report_progress(work.task, known.failure, {"mcp_server": server.name})
        if known.listing is None:
            named = work.task.agent.tools if work.task.agent else []
            mine = [name for name in named if server_of(name) == server.name and not name.endswith(f"{SEPARATOR}*")]
            return {name: missing_tool(server, name, known.failure or "") for name in mine}
        return self._of(work, server, known.listing)

    def _of(self, work: Work, server: ServerAccess, listing: Listing) -> dict[str, ServerTool]:
        return {
            name: server_tool(self._client, server, listing.mode, tool, partial(check_lease, self._kernel, work))
            for tool in listing.tools
            if (not server.allowed_tools or tool.name in server.allowed_tools)
            and _may_use(work, server.name, name := tool_name(server.name, tool.name))
        }

    async def _look(self, work: Work, server: ServerAccess) -> _Known:
        place = work.task.tenant_id, server.name
        known, now = self._known.get(place), time.monotonic()
        if known is not None and known.changed == server.updated_at and now < known.believed_until:
            return known
        try:
            listing = await self._client.list_tools(server)
        except ServerFailed as failure:
            logger.warning("tenant %s: %s", work.task.tenant_id, failure)
            old = known if known and known.changed == server.updated_at else None
            usable = old is not None and now - old.listed_at < _STALE_SECONDS
            found = _Known(
                server.updated_at,
                old.listing if old and usable else None,
                old.listed_at if old else now,
                str(failure),
                time.monotonic() + _FAILURE_SECONDS,
            )
        else:
            now = time.monotonic()
            found = _Known(server.updated_at, listing, now, None, now + self._listing_seconds)
        if len(self._known) >= _MOST_SERVERS:
            self._known.clear()
        self._known[place] = found
        return found


def _is_named(work: Work, server: str) -> bool:
    named = work.task.agent.tools if work.task.agent else []
    return not named or any(server_of(name) == server for name in named)


def _may_use(work: Work, server: str, name: str) -> bool:
    named = work.task.agent.tools if work.task.agent else []
    return not named or name in named or f"{server}{SEPARATOR}*" in named
