"""Applies init.sql, and makes what only the database's owner may make: tenants and API keys."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from kernel.errors import DatabaseUnavailable, SettingsInvalid, from_database
from kernel.limit_models import PeriodBudget
from kernel.models import Limits
from kernel.schema_locks import alone_with_tables


def schema_text() -> str:
    """The text of init.sql, from the installed package or from the checkout."""
    here = Path(__file__).resolve().parent
    for path in (here / "init.sql", here.parent / "init.sql"):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise SettingsInvalid("init.sql is missing from this installation: install process-fleet again")


def migrate(database_url: str, patience_seconds: float = 60) -> None:
    """Apply init.sql in one transaction, beside programs that work. Applying it again changes nothing.

    Raises DatabaseUnavailable where no connection can be made, or where some transaction keeps our tables busy for
    `patience_seconds`; SettingsInvalid where the database lacks pgvector.
    """
    text = schema_text()
    with owner_connection(database_url) as connection, alone_with_tables(connection, text, patience_seconds):
        try:
            connection.execute(text)  # type: ignore[arg-type]
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.InsufficientPrivilege) as error:
            raise SettingsInvalid(
                f"the database cannot hold ProcessFleet: {error.diag.message_primary}. The database needs "
                "the pgvector extension, and its owner the right to create schemas and roles."
            ) from None


def create_tenant(database_url: str, tenant_id: str, name: str) -> None:
    """Make a tenant where it does not exist. `tenant_id`: lower-case letters, digits, - and _; else InvalidInput."""
    _call(database_url, "select * from public.create_tenant(%s, %s)", [tenant_id, name])


def set_tenant_share(
    database_url: str, tenant_id: str, weight: float, max_running: int | None, max_waiting: int | None
) -> None:
    """What a tenant may take of the pods: `weight` beside others (0.01 to 100; they have 1), and the most tasks it may
    have running at once (None: any number). Holds at once for what is queued already. `max_waiting`: with so many tasks
    waiting it can start nothing more (1 to 100000; None: any number).

    Raises InvalidInput (a number out of range), NotFound (no such tenant).
    """
    query: LiteralString = "select * from public.set_tenant_share(%s, %s::numeric, %s::int, %s::int)"
    _call(database_url, query, [tenant_id, weight, max_running, max_waiting])


def set_tenant_retries(database_url: str, tenant_id: str, policy: dict[str, Any] | None) -> None:
    """The retry policy of a tenant's tasks that have none of their own: {first_seconds, factor, cap_seconds, retry_on},
    each optional (see kernel.retry_policy of init.sql); None: the default. Holds from the next failed attempt on.

    Raises InvalidInput (what is no policy), NotFound (no such tenant).
    """
    query: LiteralString = "select * from public.set_tenant_retries(%s, %s::jsonb)"
    _call(database_url, query, [tenant_id, None if policy is None else json.dumps(policy)])


def set_tenant_limits(database_url: str, tenant_id: str, limits: Limits, budget: dict[str, PeriodBudget]) -> None:
    """What each task of a tenant may use, and what all of them together in a "day" or "month" of UTC. Holds at once.

    Raises InvalidInput (a number out of range), NotFound (no such tenant).
    """
    periods = {period: amounts.model_dump(mode="json", exclude_none=True) for period, amounts in budget.items()}
    given = {period: {kind: float(most) for kind, most in amounts.items()} for period, amounts in periods.items()}
    query: LiteralString = "select * from public.set_tenant_limits(%s, %s::jsonb, %s::jsonb)"
    _call(database_url, query, [tenant_id, json.dumps(limits.given()), json.dumps(given)])


def create_api_key(
    database_url: str,
    tenant_id: str,
    name: str,
    role: str = "admin",
    scopes: list[str] | None = None,
    expires_at: datetime | None = None,
) -> str:
    """Make an API key of a tenant and return it; only its hash is stored, so it cannot be read again.

    `role` and `scopes`: see execution_api.access.scopes; None: all scopes of the role. Raises NotFound where there is
    no such tenant.
    """
    key = new_api_key()
    query = "select * from public.create_api_key(%s, %s, %s, %s, %s, %s)"
    granted = None if scopes is None else json.dumps(scopes)
    _call(database_url, query, [tenant_id, name, hash_api_key(key), role, granted, expires_at])
    return key


def store_api_key(database_url: str, tenant_id: str, name: str, key: str) -> None:
    """Let `key` open the API for a tenant, with every right; storing it again changes nothing but its name.

    Raises NotFound (no such tenant), Conflict (the key opens another tenant).
    """
    _call(database_url, "select * from public.create_api_key(%s, %s, %s)", [tenant_id, name, hash_api_key(key)])


def new_api_key() -> str:
    """A key that nobody has: `fleet_` and 256 random bits."""
    return "fleet_" + secrets.token_urlsafe(32)


def hash_api_key(key: str) -> str:
    """SHA-256 in hex. A slow hash is for passwords people choose; a key has 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def _call(database_url: str, query: LiteralString, arguments: Sequence[object]) -> None:
    with owner_connection(database_url) as connection:
        try:
            connection.execute(query, arguments)
        except psycopg.Error as error:
            raise from_database(error) from None


def owner_connection(database_url: str) -> psycopg.Connection:
    """A connection as the database's owner. Raises DatabaseUnavailable where none can be made."""
    try:
        return psycopg.connect(database_url, autocommit=True, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"cannot connect to the database: {error}") from None
