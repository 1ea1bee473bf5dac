"""Takes the tables of init.sql for an upgrade, so that it stops no program and no program stops it.

init.sql locks nearly every table. Taken one after the other while programs work, the locks would meet those of a
transaction that comes the other way, and PostgreSQL would end one of the two. So all are taken at the beginning, and
where they are not to be had this gives way and tries again, before PostgreSQL looks for a deadlock (`deadlock_timeout`,
a second unless set).
"""

import random
import re
import time
from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from kernel.errors import DatabaseUnavailable

_ONE_MIGRATION = 7_346_101  # the number of the advisory lock only has to be ours
_TABLE = re.compile(r"^create table if not exists (\w+)\.(\w+)", re.MULTILINE)
_PAUSES = (0.2, 1.0)  # seconds in which the programs that waited behind this one get on


@contextmanager
def alone_with_tables(connection: psycopg.Connection, schema: str, patience_seconds: float) -> Generator[None]:
    """A transaction that is the only migration, and has to itself the tables of `schema` that exist.

    Raises DatabaseUnavailable, naming who is in the way, where they are not to be had for `patience_seconds`.
    """
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [_ONE_MIGRATION])
        names = [f"{schema_name}.{table}" for schema_name, table in _TABLE.findall(schema)]
        found = connection.execute(
            "select name from unnest(%s::text[]) name where to_regclass(name) is not null", [names]
        ).fetchall()
        tables = [name for (name,) in found]
        deadline = time.monotonic() + patience_seconds
        while tables and not _taken(connection, tables):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(_who_is_in_the_way(connection, tables, patience_seconds))
            time.sleep(random.uniform(*_PAUSES))  # noqa: S311  # jitter, not a secret
        yield


def _taken(connection: psycopg.Connection, tables: list[str]) -> bool:
    listed = sql.SQL(", ").join(sql.Identifier(*name.split(".")) for name in tables)
    try:
        with connection.transaction():
            connection.execute("""select set_config('statement_timeout', (setting::int * 0.4)::int::text, true)
                from pg_settings where name = 'deadlock_timeout'""")
            connection.execute(sql.SQL("lock table {} in access exclusive mode").format(listed))
            connection.execute("set local statement_timeout to default")
    except (psycopg.errors.QueryCanceled, psycopg.errors.DeadlockDetected):
        return False
    return True


def _who_is_in_the_way(connection: psycopg.Connection, tables: list[str], patience_seconds: float) -> str:
    query = """select distinct on (a.pid) a.pid, a.application_name, a.state, now() - a.xact_start
        from pg_locks l join pg_stat_activity a using (pid)
        where l.granted and l.pid <> pg_backend_pid() and l.relation = any(%s::text[]::regclass[]) order by a.pid"""
    holders = [
        f"pid {pid} ({name or 'no name'}, {state}, open for {age})"
        for pid, name, state, age in connection.execute(query, [tables])
    ]
    by = ", ".join(holders) or "transactions that came and went"
    return (
        f"the tables were in use for {patience_seconds:g} s by {by}. "
        "Nothing was changed. End what is open for long (select pg_terminate_backend(PID)), and apply it again."
    )
