"""`call` over the Supabase client: the same functions through PostgREST, with a project's URL and service key.

The role a call runs as and its claims travel in the headers X-Fleet-Role and X-Fleet-Claims. `kernel.become_program` of
init.sql takes them over before the call: from the service key alone, and only to become one of the two roles of our
programs, who are held by row-level security as they are on a direct connection.

PostgREST passes no notifications: `notified` only waits, so that who idles polls at its own growing pauses.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import httpx
from postgrest.exceptions import APIError
from pydantic_core import PydanticSerializationError, to_json
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_auth import AsyncMemoryStorage

from kernel.errors import DatabaseUnavailable, InvalidInput, SettingsInvalid, from_sqlstate
from kernel.function_connection import Row

_SECONDS_FOR_AN_ANSWER = 65.0  # a little more than the longest statement of a direct connection
_MOST_CONNECTIONS = 32
_LOADERS: dict[str, Callable[[Any], Any]] = {
    "timestamp with time zone": datetime.fromisoformat,
    "numeric": lambda number: Decimal(str(number)),
    "double precision": float,
    "real": float,
}  # by the name of the SQL type; JSON gives all others as a direct connection does


class SupabaseConnection:
    """Calls functions of a Supabase project. It connects at the first call; calls may run side by side.

    `role`: fleet_api, fleet_pod or fleet_deliver. Use as `async with`, or `close` it.
    """

    def __init__(self, url: str, key: str, role: str):
        self._url, self._key, self._role = url, key, role
        self._client: AsyncClient | None = None
        self._http: httpx.AsyncClient | None = None
        self._columns: dict[str, dict[str, str]] | None = None

    async def __aenter__(self) -> "SupabaseConnection":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def call(self, function: str, claims: Row | None, **args: Any) -> list[Row]:
        """See kernel.postgres.Transport. Raises SettingsInvalid where the project refuses the key or lacks init.sql."""
        if self._columns is None:
            described = await self._ask("describe_functions", None, {})
            self._columns = {row["name"]: row["columns"] for row in described}
        rows = await self._ask(function, claims, args)
        loaders = {name: _LOADERS[kind] for name, kind in self._columns.get(function, {}).items() if kind in _LOADERS}
        return [_load(row, loaders) for row in rows]

    async def listen(self, channel: str) -> None:
        """Nothing: notifications do not come this way, and `notified` says so by its silence."""

    async def notified(self, timeout_seconds: float) -> list[str]:
        """Wait `timeout_seconds`. Returns no notification, ever."""
        await asyncio.sleep(timeout_seconds)
        return []

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._http is not None:
            await self._http.aclose()
        self._client = self._http = None

    async def _ask(self, function: str, claims: Row | None, args: Row) -> list[Row]:
        body = {f"p_{name}": _encode(name, value) for name, value in args.items()}
        request = (await self._open()).rpc(function, body)
        headers = request.request.headers  # pyright: ignore[reportUnknownMemberType]
        headers.update({"X-Fleet-Role": self._role, "X-Fleet-Claims": json.dumps(claims or {})})
        try:
            data = cast("object", (await request.execute()).data)
        except APIError as error:
            raise _translate(error, function) from None
        except httpx.HTTPError as error:
            raise DatabaseUnavailable(f"the Supabase project did not answer: {error or type(error).__name__}") from None
        if not isinstance(data, list):
            raise DatabaseUnavailable("something in front of the Supabase project answered in its place")
        return cast("list[Row]", data)

    async def _open(self) -> AsyncClient:
        if self._client is None:
            self._http = httpx.AsyncClient(
                timeout=_SECONDS_FOR_AN_ANSWER, limits=httpx.Limits(max_connections=_MOST_CONNECTIONS)
            )
            options = AsyncClientOptions(
                auto_refresh_token=False, persist_session=False, storage=AsyncMemoryStorage(), httpx_client=self._http
            )
            self._client = await acreate_client(self._url, self._key, options)
        return self._client


def _encode(name: str, value: Any) -> Any:
    """`value` as JSON that PostgREST gives to SQL as a direct connection does."""
    try:
        if isinstance(value, dict | list):
            return json.loads(to_json(value), parse_constant=_refuse)
        if value is None:
            return None
        if b"\0" not in str(value).encode():
            return str(value)
    except (PydanticSerializationError, UnicodeEncodeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{name} cannot be written: {error}", "value_invalid") from None
    raise InvalidInput(f"{name} holds a NUL character, which the database cannot store", "value_invalid")


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _load(row: Row, loaders: dict[str, Callable[[Any], Any]]) -> Row:
    for name, load in loaders.items():
        if row.get(name) is not None:
            row[name] = load(row[name])
    return row


def _translate(error: APIError, function: str) -> Exception:
    """The error of the house that PostgREST's `error` stands for; see https://postgrest.org/en/v12/references/errors.html."""
    code = error.code or ""
    if code in {"PGRST000", "PGRST001", "PGRST002", "PGRST003"} or (len(code) == 3 and code[0] == "5"):
        return DatabaseUnavailable(f"the Supabase project is not available: {error.message}")
    if code in {"401", "403"} or code.startswith("PGRST3"):
        return SettingsInvalid(f"SUPABASE_KEY: the project refuses it ({error.message}). Set its service key.")
    if code in {"404", "PGRST106", "PGRST125", "PGRST202"}:
        return SettingsInvalid(
            f"the project knows no function {function} ({error.message}). Run `fleet migrate`; where that is done, "
            "let PostgREST read the schema again: notify pgrst, 'reload schema'."
        )
    if code == "429":
        return DatabaseUnavailable(f"the Supabase project limits requests: {error.message}")
    return from_sqlstate(code, error.message or "", str(error.details or ""), error.hint or "") or error
