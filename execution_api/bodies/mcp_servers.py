"""What goes into the API about MCP servers and comes out."""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, StrictBool, field_validator

from execution_api.bodies.rows import Request
from kernel.mcp_server_models import McpServer

NAME = r"^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$"
LONGEST_NAME = 32
SHORTEST_SECRET = 8  # what is shorter cannot be kept out of what a server says: it is found everywhere
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_OURS = re.compile(r"(?i)host|content-.*|transfer-encoding|connection|accept|mcp-.*|last-event-id")
_CREDENTIAL = re.compile(r"(?i)auth|key|token|secret|password|cookie")


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.fragment
    except ValueError:
        raise ValueError("Value should be an address such as https://tools.example.org/mcp") from None
    if not usable or not text.isascii() or any(ord(sign) <= 32 for sign in text):
        raise ValueError("Value should be an http or https address; servers over stdio are not started here")
    if parts.username is not None:
        raise ValueError("Value should hold no user and password: send them in the header Authorization")
    return text


def _headers(headers: dict[str, str] | None) -> dict[str, str] | None:
    for name, value in (headers or {}).items():
        if not _HEADER.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        if _OURS.fullmatch(name):
            raise ValueError(f"{name} is written by the pod: leave it out")
        if not value or not value.isascii() or not value.isprintable() or value != value.strip():
            raise ValueError(f"the value of {name} should be printable ASCII without space at its ends")
        if _CREDENTIAL.search(name) and len(value.rpartition(" ")[2]) < SHORTEST_SECRET:
            raise ValueError(f"the value of {name} is too short for a credential: give {SHORTEST_SECRET} characters")
    if len({name.lower() for name in headers or {}}) < len(headers or {}):
        raise ValueError("each header should be there once, whatever its case")
    return headers


Name = Annotated[
    str,
    Field(
        pattern=NAME,
        max_length=LONGEST_NAME,
        description="begins the names of its tools: letters and digits with single - and _ between",
    ),
]
Url = Annotated[str, Field(max_length=2000), AfterValidator(_url)]
Headers = Annotated[
    dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=8000)]],
    Field(max_length=20),
    AfterValidator(_headers),
]
_Tools = Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(max_length=500)]


class McpServerRequest(Request):
    """An MCP server (streamable HTTP) whose tools the tenant's tasks may use."""

    url: Url = Field(description="http or https; a query is kept like a credential")
    description: Annotated[str, Field(max_length=500)] = ""
    headers: Headers | None = Field(
        None, description="sent with every request, never shown again; none: those that are stored stay"
    )
    enabled: StrictBool = True
    allowed_tools: _Tools = Field(default_factory=list, description="names at the server; none: all")
    idempotent_tools: _Tools = Field(
        default_factory=list,
        description="names of tools that may be run again with the same idempotency key, beside those of which the "
        "server says so",
    )
    timeout_seconds: Annotated[int, Field(strict=True, ge=1, le=3600)] = Field(
        60, description="longest time for one call"
    )

    @field_validator("allowed_tools", "idempotent_tools")
    @classmethod
    def _each_once(cls, tools: list[str]) -> list[str]:
        return sorted(set(tools))


class McpServerSwitch(Request):
    """Whether the tools of a server are there."""

    enabled: StrictBool


class McpServersImport(Request):
    """What an `mcp.json` holds, or `tenants.mcp` of Process GPT."""

    mcpServers: Annotated[dict[str, dict[str, Any]], Field(max_length=50)] = Field(  # noqa: N815  # as it is written there
        description="by name: {url, transport or type, headers, description, enabled or disabled, includeTools}"
    )


class Refusal(BaseModel):
    """A server that was not taken over."""

    name: str
    reason: str


class McpServersImported(BaseModel):
    """What became of each server; `ignored`: parts of those that were saved which mean nothing here."""

    saved: list[McpServer]
    refused: list[Refusal]
    ignored: dict[str, list[str]] = Field(description="by server")
