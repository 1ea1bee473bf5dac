"""A row of any table for any tenant, made from the catalogue, so that a new table needs no word here.

Every text in a row is the tenant's name and every id is made of it, so that each argument of a function finds a row. A
status is FAILED where there is such a word, so that the view of incidents has rows too.
"""

from dataclasses import dataclass

import psycopg

SCHEMAS = ("public", "kernel")
_VALUES = {
    "text": "'{tenant}'",
    "uuid": "md5('{tenant}')::uuid",
    "boolean": "true",
    "smallint": "1",
    "integer": "1",
    "bigint": "1",
    "numeric": "1",
    "double precision": "1",
    "real": "1",
    "json": """'{{"of": "{tenant}"}}'""",
    "jsonb": """'{{"of": "{tenant}"}}'""",
    "timestamp with time zone": "now()",
    "date": "now()::date",
    "interval": "interval '1 s'",
    "bytea": "'{tenant}'::bytea",
    "extensions.vector": "array_fill(1, array[1536])::extensions.vector",
}
_COLUMNS = """
    select a.attname, a.atttypid::regtype::text, t.typtype = 'e', t.typelem <> 0 and t.typlen = -1, a.attidentity <> ''
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''"""
_TABLES = """
    select n.nspname || '.' || c.relname, exists (select from pg_attribute a
        where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = any (%s) and n.nspname = any (%s)
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e') order by 1"""


@dataclass(frozen=True)
class Relation:
    """A table or view; `of_tenants`: it has a tenant_id."""

    name: str
    of_tenants: bool


def relations(owner: psycopg.Connection, *kinds: str) -> list[Relation]:
    """All of ours: `kinds` r, p (tables), v, m (views)."""
    return [Relation(*row) for row in owner.execute(_TABLES, [list(kinds), list(SCHEMAS)])]


def insert_of(owner: psycopg.Connection, table: Relation, tenant: str) -> str:
    """A statement that inserts one row of `tenant`. Raises LookupError on a type for which there is no value yet."""
    columns = [column for column in owner.execute(_COLUMNS, [table.name]) if not column[4]]
    names = ", ".join(f'"{name}"' for name, *_ in columns)
    values = ", ".join(_value(table, tenant, name, *kind) for name, *kind, _ in columns)
    return f"insert into {table.name} ({names}) values ({values})"


def fill(owner: psycopg.Connection, *tenants: str) -> None:
    """Insert a row of each tenant into every table. Needs a transaction that is rolled back: no constraint holds."""
    owner.execute("set local session_replication_role = replica")
    constraints = owner.execute(
        """select k.conrelid::regclass::text, k.conname from pg_constraint k
        where k.contype = 'c' and k.connamespace = any (%s::regnamespace[]) and k.conrelid <> 0""",
        [list(SCHEMAS)],
    ).fetchall()
    for table, name in constraints:
        owner.execute(f'alter table {table} drop constraint "{name}"')  # type: ignore[arg-type]
    for table in relations(owner, "r", "p"):
        owner.execute(f"delete from {table.name}")  # type: ignore[arg-type]
        for tenant in tenants if table.of_tenants else tenants[:1]:
            owner.execute(insert_of(owner, table, tenant))  # type: ignore[arg-type]
    owner.execute("set local session_replication_role = origin")


def _value(table: Relation, tenant: str, name: str, kind: str, is_enum: bool, is_array: bool) -> str:
    if name == "tenant_id":
        return f"'{tenant}'"
    if is_enum:
        labels = f"enum_range(null::{kind})"
        return f"coalesce((select v from unnest({labels}) v where v::text = 'FAILED'), ({labels})[1])"
    value = _VALUES.get(kind, "'{{}}'" if is_array else None)
    if value is None:
        raise LookupError(f"{table.name}.{name} has the type {kind}: add a value for it")
    return value.format(tenant=tenant)
