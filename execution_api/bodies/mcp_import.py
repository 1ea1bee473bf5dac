"""Reads entries of an `mcp.json` (Claude, Cursor, Process GPT's `tenants.mcp`) as MCP servers over HTTP."""

import re
from typing import Any

from pydantic import ValidationError

from execution_api.bodies.mcp_servers import LONGEST_NAME, NAME, McpServerRequest

_HTTP = ("http", "streamable-http", "streamable_http")
_KNOWN = {"url", "transport", "type", "headers", "description", "enabled", "disabled", "includeTools"}
_VARIABLE = re.compile(r"\$\{[^}]*\}")


class NotTaken(Exception):
    """An entry cannot be a server here; the message says why, without a value of it."""


def read_entry(name: str, entry: dict[str, Any]) -> tuple[McpServerRequest, list[str]]:
    """The server that `entry` describes, and the keys of it that mean nothing here. Raises NotTaken."""
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME:
        raise NotTaken("its name should be at most 32 letters and digits with single - and _ between")
    if "command" in entry or entry.get("transport", entry.get("type")) == "stdio":
        raise NotTaken("it runs over stdio, and pods start no commands of tenants: serve it over HTTP and give its url")
    transport = entry.get("transport", entry.get("type", "http"))
    if transport not in _HTTP or str(entry.get("url", "")).partition("?")[0].rstrip("/").endswith("/sse"):
        raise NotTaken("its transport is not streamable HTTP")
    if variables := sorted(set(_VARIABLE.findall(f"{entry.get('url')} {entry.get('headers')}"))):
        raise NotTaken(f"it names {', '.join(variables)}: put in what that stands for")
    try:
        server = McpServerRequest(
            url=entry.get("url"),  # type: ignore[arg-type]  # checked by the model
            headers=entry.get("headers") or {},
            description=entry.get("description") or "",
            enabled=entry.get("enabled", True) is True and not entry.get("disabled", False),
            allowed_tools=entry.get("includeTools") or [],
        )
    except ValidationError as error:
        faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        raise NotTaken("; ".join(faults)) from None
    return server, sorted(set(entry) - _KNOWN)
