"""`call` over psycopg: a single connection for a pod, a pool for the API.

Every function of init.sql is called by name with named arguments and returns a set of rows. The caller's claims are
set for the transaction of the call, as PostgREST does, so that row-level security sees the tenant.
"""

import asyncio
import select
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import psycopg
from psycopg import sql
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from kernel.errors import DatabaseUnavailable, from_database
from kernel.function_connection import FunctionConnection, Row
from kernel.patient_connection import PatientConnection

__all__ = ["PostgresConnection", "PostgresPool", "Row", "Transport", "connect_options"]
_T = TypeVar("_T")
_STATEMENT_TIMEOUT_MS = 60_000


class Transport(Protocol):
    """What the kernel needs of a database: one method."""

    async def call(self, function: str, claims: Row | None, **args: Any) -> list[Row]:
        """Call SQL function `function` with arguments `p_<name>`; dicts and lists travel as jsonb.

        Raises the errors of `kernel.errors`.
        """
        ...


class PostgresConnection:
    """One connection, opened at the first call and opened again after it broke. Calls take turns on it."""

    def __init__(self, database_url: str, role: str | None = None):
        self._url = database_url
        self._role = role
        self._connection: FunctionConnection | None = None
        self._channels: list[str] = []
        self._turn = asyncio.Lock()

    async def call(self, function: str, claims: Row | None, **args: Any) -> list[Row]:
        """See Transport."""
        async with self._turn:
            connection = await self._open()
            return await connection.call_function(function, claims, args)

    async def listen(self, channel: str) -> None:
        """Subscribe to `channel`; a connection that is opened again later subscribes itself."""
        async with self._turn:
            connection = await self._open()
            if channel not in self._channels:
                await _listen(connection, channel)
                self._channels.append(channel)

    async def notified(self, timeout_seconds: float) -> list[str]:
        """Wait for a notification, at most `timeout_seconds`. Returns payloads, empty when none came.

        Cancelling the wait is safe. No other call gets its turn meanwhile.
        """
        async with self._turn:
            connection = await self._open()
            try:
                return [n.payload async for n in connection.notifies(timeout=timeout_seconds, stop_after=1)]
            except psycopg.Error as error:
                raise from_database(error) from None

    async def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _open(self) -> FunctionConnection:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = await _guard(PatientConnection.connect(self._url, **connect_options(self._role)))
            for channel in self._channels:
                await _listen(self._connection, channel)
        return self._connection


class PostgresPool:
    """Up to `size` connections shared by concurrent requests. Use as `async with`."""

    def __init__(self, database_url: str, role: str | None = None, size: int = 8):
        self._pool = AsyncConnectionPool(
            database_url,
            connection_class=FunctionConnection,
            kwargs=connect_options(role),
            min_size=1,
            max_size=size,
            timeout=10,
            open=False,
            check=_still_there,
        )

    async def __aenter__(self) -> "PostgresPool":
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    async def call(self, function: str, claims: Row | None, **args: Any) -> list[Row]:
        """See Transport. Waits at most 10 s for a free connection, then raises DatabaseUnavailable."""
        async with self._take() as connection:
            return await connection.call_function(function, claims, args)

    @asynccontextmanager
    async def _take(self) -> AsyncGenerator[FunctionConnection]:
        try:
            connection = await self._pool.getconn()
        except (PoolTimeout, PoolClosed):
            raise DatabaseUnavailable("the database gave no connection within 10 s") from None
        try:
            yield connection
        finally:
            await self._pool.putconn(connection)


def connect_options(role: str | None) -> dict[str, Any]:
    """Keyword arguments for psycopg's connect: autocommit, time-outs, and the role to take on (None: stay)."""
    settings: dict[str, object] = {
        "statement_timeout": _STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": 60_000,
        "datestyle": "ISO",
    }
    if role:
        settings["role"] = role
    return {
        "autocommit": True,
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }


async def _still_there(connection: FunctionConnection) -> None:
    """Raises psycopg.Error where the server has closed a connection that nobody used.

    It says so before it does, so only a connection on which something has come is asked: a question before each call
    would double its round trips.
    """
    waiting = select.poll()
    waiting.register(connection.pgconn.socket, select.POLLIN)
    if waiting.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def _listen(connection: FunctionConnection, channel: str) -> None:
    await _guard(connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel))))


async def _guard(awaitable: Awaitable[_T]) -> _T:
    try:
        return await awaitable
    except (psycopg.Error, OSError) as error:
        if isinstance(error, OSError):
            raise DatabaseUnavailable(f"the database connection failed: {error}") from None
        raise from_database(error) from None
