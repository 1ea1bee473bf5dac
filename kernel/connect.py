"""Opens the way to the database that FLEET_VIA names."""

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from kernel.postgres import PostgresConnection, PostgresPool, Transport
from kernel.settings import Settings, Via

if TYPE_CHECKING:
    from kernel.supabase_transport import SupabaseConnection


class Connection(Transport, Protocol):
    """A transport of a pod: it can be woken, and closed."""

    async def listen(self, channel: str) -> None:
        """Subscribe to `channel`, where the transport has notifications."""
        ...

    async def notified(self, timeout_seconds: float) -> list[str]:
        """Wait for a notification, at most `timeout_seconds`. Returns payloads, empty when none came."""
        ...

    async def close(self) -> None:
        """Give up what is open; a later call opens it again."""
        ...


def open_connection(settings: Settings, role: str) -> Connection:
    """One connection as `role` (fleet_api, fleet_pod or fleet_deliver); nothing is sent before the first call."""
    if settings.fleet_via is Via.POSTGRES:
        return PostgresConnection(settings.postgres_url, role)
    return _open_project(settings, role)


def open_pool(settings: Settings, role: str, size: int) -> AbstractAsyncContextManager[Transport]:
    """A transport for concurrent calls as `role`; over PostgreSQL it has up to `size` connections."""
    if settings.fleet_via is Via.POSTGRES:
        return PostgresPool(settings.postgres_url, role, size)
    return _open_project(settings, role)


def _open_project(settings: Settings, role: str) -> "SupabaseConnection":
    from kernel.supabase_transport import SupabaseConnection  # noqa: PLC0415  # a second that PostgreSQL does not need

    assert settings.supabase_url and settings.supabase_key  # checked by the settings
    return SupabaseConnection(settings.supabase_url, settings.supabase_key.get_secret_value(), role)
