"""The result of a tool between the tool, the journal and the orchestrator.

A tool of the pod gives a JSON object, or {"error": text}. A tool of an MCP server gives {"mcp_result": ...}, the result
as MCP writes it, text, pictures and all.
"""

import json
from typing import Any

import mcp_types as types
from pydantic import ValidationError

from kernel.models import Json

_MCP_RESULT = "mcp_result"


def mcp_result(result: Json) -> Json:
    """The result of a server's tool, to be stored."""
    return {_MCP_RESULT: result}


def is_failure(result: Json) -> bool:
    """Whether a server's tool says of itself that it failed."""
    inner = result.get(_MCP_RESULT)
    return isinstance(inner, dict) and bool(inner.get("isError"))


def as_result(result: Json, ok: bool) -> types.CallToolResult:
    """What the orchestrator gets. Keys are sorted: the journal does not keep their order, and a replay must be the
    same."""
    if set(result) == {_MCP_RESULT}:
        try:
            return types.CallToolResult.model_validate(json.loads(_text(result[_MCP_RESULT])))
        except ValidationError:  # what a person gave in place of a result may look like one
            pass
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=_text(result) if ok else str(result.get("error", _text(result))))],
        structured_content=result if ok else None,
        is_error=not ok,
    )


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
