"""What all groups of kernel functions stand on: a transport and the caller's claims."""

from collections.abc import Awaitable
from typing import Any

from kernel.postgres import Row, Transport


class KernelBase:
    """Calls functions over `transport` with `claims` (None: the functions that need no tenant)."""

    def __init__(self, transport: Transport, claims: Row | None = None):
        self.transport = transport
        self.claims = claims

    def _call(self, function: str, **args: Any) -> Awaitable[list[Row]]:
        return self.transport.call(function, self.claims, **args)
