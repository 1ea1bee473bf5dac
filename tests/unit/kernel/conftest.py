"""One database for all tests of connections: functions to call, and an owner who watches and cuts."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from kernel.embedded import EmbeddedPostgres

FUNCTIONS = """
create function public.mirror(p_doc jsonb default null, p_list jsonb default null, p_word text default null,
    p_number int default null, p_id uuid default null, p_yes boolean default null)
returns table (doc jsonb, list jsonb, word text, number int, id uuid, yes boolean, at timestamptz, price numeric,
    tenant text)
language sql as $$ select p_doc, p_list, p_word, p_number, p_id, p_yes, '2026-01-02 03:04:05+00'::timestamptz,
    0.10::numeric, kernel.tenant_id() $$;

create function public.total(p_a int default 0, p_b int default 0, p_c int default 0, p_d int default 0,
    p_e int default 0)
returns table (total int, tenant text)
language sql as $$ select p_a + p_b + p_c + p_d + p_e, kernel.tenant_id() $$;

create function public.nap(p_seconds float8) returns table (slept float8)
language sql as $$ select p_seconds from pg_sleep(p_seconds) $$;

create function public.me() returns table (me text) language sql as 'select current_user';
"""


@pytest.fixture(scope="session")
def calls_url(server: EmbeddedPostgres) -> Iterator[str]:
    """A database with functions to call."""
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute("create database calls template fleet_template")
        url = make_conninfo(server.url, dbname="calls")
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(FUNCTIONS)
        yield url
        superuser.execute("drop database calls with (force)")


@pytest.fixture
def watcher(calls_url: str) -> Iterator[psycopg.Connection]:
    """The owner of that database."""
    with psycopg.connect(calls_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def cut(watcher: psycopg.Connection) -> Callable[[], None]:
    """Breaks every other connection to that database."""

    def terminate() -> None:
        watcher.execute("""select pg_terminate_backend(pid, 5000) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()""")

    return terminate


@pytest.fixture
def until_asleep(watcher: psycopg.Connection) -> Callable[[int], Awaitable[None]]:
    """Waits until so many calls are in the middle of a nap."""
    asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"

    async def wait(number: int) -> None:
        while watcher.execute(asleep).fetchone() != (number,):  # noqa: ASYNC110  # there is nothing to be told by
            await asyncio.sleep(0)

    return wait
