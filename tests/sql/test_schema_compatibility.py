"""What programs of the release before call and read is still there: they run on the new schema during an upgrade.

A function may gain arguments with defaults and columns in its result, a table or view may gain columns, a type words.
Nothing may go, and nothing may change its type, before the release after.
"""

import gzip
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from earlier_code import REPOSITORY, commit_before_newest_schema
from psycopg.conninfo import make_conninfo

from kernel.embedded import EmbeddedPostgres
from kernel.migrate import migrate

EARLIER_SCHEMAS = Path(__file__).parent / "earlier_schemas"
FUNCTIONS = """
    select p.proname, coalesce(a.name, ''), format_type(a.type, null), a.mode, a.number > p.pronargs - p.pronargdefaults
    from pg_proc p left join lateral (
        select name, type, mode, row_number() over (partition by mode = 'i' order by place) as number
        from unnest(p.proargnames, coalesce(p.proallargtypes, p.proargtypes),
                    coalesce(p.proargmodes::text[], array_fill('i'::text, array[p.pronargs::int])))
             with ordinality u(name, type, mode, place)) a on true
    where p.pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    union all
    select p.proname, a.attname, format_type(a.atttypid, a.atttypmod), 't', null
    from pg_proc p join pg_type t on t.oid = p.prorettype
    join pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0
    where p.pronamespace = 'public'::regnamespace and not a.attisdropped"""
COLUMNS = """
    select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'v') and c.relnamespace = 'public'::regnamespace"""
WORDS = """
    select t.typname, e.enumlabel from pg_type t join pg_enum e on e.enumtypid = t.oid
    where t.typnamespace = 'public'::regnamespace"""


class Promises:
    """What a schema offers to programs."""

    def __init__(self, connection: psycopg.Connection):
        self.arguments: dict[str, dict[str, str]] = {}
        self.required: dict[str, set[str]] = {}
        self.offered: set[tuple[str, ...]] = set()
        for function, name, kind, mode, optional in connection.execute(FUNCTIONS):
            self.arguments.setdefault(function, {})
            if mode == "i":
                self.arguments[function][name] = kind
                if not optional:
                    self.required.setdefault(function, set()).add(name)
            elif mode == "t":
                self.offered.add(("result of", function, name, kind))
        self.offered |= {("column of", *row) for row in connection.execute(COLUMNS)}
        self.offered |= {("word of", *row) for row in connection.execute(WORDS)}

    def broken_by(self, newer: "Promises") -> list[str]:
        """What programs that rely on this schema miss in a newer one."""
        broken = [" ".join(promise) for promise in sorted(self.offered - newer.offered)]
        for function, arguments in self.arguments.items():
            if function not in newer.arguments:
                broken.append(f"function {function} is gone")
                continue
            for name, kind in arguments.items():
                if newer.arguments[function].get(name) != kind:
                    broken.append(f"argument {name} {kind} of {function} is {newer.arguments[function].get(name)}")
            for name in newer.required.get(function, set()) - self.required.get(function, set()):
                broken.append(f"argument {name} of {function} has no default")
        return broken


def newest_earlier_schema() -> str:
    """The schema of the last release."""
    paths = EARLIER_SCHEMAS.glob("*.sql.gz")
    newest = max(paths, key=lambda path: [int(n) for n in path.name.removesuffix(".sql.gz").split(".") if n.isdigit()])
    return gzip.decompress(newest.read_bytes()).decode()


def schema_of_the_commit_before() -> str:
    shown = ["git", "show", f"{commit_before_newest_schema()}:init.sql"]
    return subprocess.run(shown, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def empty_database(server: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute("create database earlier")
        with psycopg.connect(make_conninfo(server.url, dbname="earlier"), autocommit=True) as connection:
            yield connection
        superuser.execute("drop database earlier with (force)")


@pytest.mark.parametrize("earlier", [newest_earlier_schema, schema_of_the_commit_before])
def test_programs_of_an_earlier_schema_find_what_they_call_and_read(
    earlier, empty_database: psycopg.Connection
) -> None:
    empty_database.execute(earlier())
    promised = Promises(empty_database)
    assert len(promised.arguments) > 20 and len(promised.offered) > 100
    migrate(empty_database.info.dsn)
    assert promised.broken_by(Promises(empty_database)) == []


@pytest.mark.parametrize(
    "change",
    [
        "drop function public.find_agents",
        "alter table public.todolist drop column log_tail cascade",
        "alter table public.tenants alter column max_running type bigint",
        """drop function public.heartbeat_pod; create function public.heartbeat_pod(p_pod_id uuid, p_status
           public.pod_status, p_more int) returns setof public.pod language sql as 'select * from public.pod'""",
        """drop function public.heartbeat_pod; create function public.heartbeat_pod(p_pod uuid, p_status
           public.pod_status) returns setof public.pod language sql as 'select * from public.pod'""",
    ],
)
def test_the_comparison_sees_what_would_break_a_program(owner: psycopg.Connection, change: str) -> None:
    promised = Promises(owner)
    assert promised.broken_by(promised) == []
    with owner.transaction(force_rollback=True):
        owner.execute(change)  # type: ignore[arg-type]
        assert promised.broken_by(Promises(owner)) != []
