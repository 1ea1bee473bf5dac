"""The tool servers of a tenant, as types."""

from datetime import datetime

from pydantic import Field, SecretStr

from kernel.models import Record


class McpServer(Record):
    """A tool server of a tenant, as everybody may see it: no value of a header, and its `url` without a query.

    `allowed_tools`: names at the server, none means all; `idempotent_tools`: those that may be run again with the same
    idempotency key.
    """

    name: str
    url: str
    description: str
    header_names: list[str]
    enabled: bool
    allowed_tools: list[str]
    idempotent_tools: list[str]
    timeout_seconds: int
    created_at: datetime
    updated_at: datetime


class ServerAccess(Record):
    """What a pod needs to work with an enabled server of its task's tenant, credentials and all."""

    name: str
    url: SecretStr
    headers: dict[str, SecretStr] = Field(repr=False)
    allowed_tools: list[str]
    idempotent_tools: list[str]
    timeout_seconds: int
    updated_at: datetime
