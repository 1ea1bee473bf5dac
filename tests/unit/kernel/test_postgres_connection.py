"""One connection: calls by name, and what becomes of it when it breaks, is cancelled, or is used by many at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from kernel.errors import DatabaseUnavailable, InvalidInput
from kernel.postgres import PostgresConnection

Cut = Callable[[], None]
UntilAsleep = Callable[[int], Awaitable[None]]
CLAIMS = {"tenant_id": "acme"}
BOTH = pytest.mark.parametrize("claims", [None, CLAIMS], ids=["without claims", "with claims"])


@pytest.fixture
async def connection(calls_url: str) -> AsyncIterator[PostgresConnection]:
    connection = PostgresConnection(calls_url)
    yield connection
    await connection.close()


@BOTH
async def test_arguments_go_by_name_and_values_come_back_as_they_went(
    connection: PostgresConnection, claims: dict[str, str] | None
) -> None:
    doc = {"a": [1, 2.5, None, True], "ü": 'quote " and \\ and \n', "big": 2**70}
    some_id = uuid4()
    for _ in range(7):
        (row,) = await connection.call(
            "mirror", claims, yes=False, id=some_id, number=-3, word="it's; -- %s ü", list=[], doc=doc
        )
        assert (row["doc"], row["list"], row["word"], row["number"]) == (doc, [], "it's; -- %s ü", -3)
        assert (str(row["id"]), row["yes"], row["price"]) == (str(some_id), False, Decimal("0.10"))
        assert row["at"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert row["tenant"] == (claims and "acme")


async def test_an_argument_that_is_not_given_or_none_is_null(connection: PostgresConnection) -> None:
    (row,) = await connection.call("mirror", None, word=None)
    assert {row[name] for name in ("word", "number", "id", "yes", "doc", "list")} == {None}


@BOTH
async def test_a_function_without_rows_gives_none(
    connection: PostgresConnection, claims: dict[str, str] | None
) -> None:
    assert await connection.call("find_orchestrators", claims) == []


async def test_a_name_that_is_not_a_name_is_refused(connection: PostgresConnection) -> None:
    with pytest.raises(ValueError, match="not an SQL name"):
        await connection.call("mirror(); drop table todolist; --", None)
    with pytest.raises(ValueError, match="not an SQL name"):
        await connection.call("mirror", None, **{"word => 'x', p_number": 1})


@pytest.mark.parametrize("argument", [{"word": "a\0b"}, {"doc": {"a": "\0"}}, {"doc": {"a": "\ud800"}}])
async def test_text_that_the_database_cannot_hold_is_invalid_input(
    connection: PostgresConnection, argument: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput):
        await connection.call("mirror", CLAIMS, **argument)
    assert await connection.call("mirror", CLAIMS, word="fine")


@BOTH
async def test_a_refused_call_leaves_the_connection_usable(
    connection: PostgresConnection, claims: dict[str, str] | None
) -> None:
    for _ in range(7):
        with pytest.raises(InvalidInput):
            await connection.call("mirror", claims, number="many")
        (row,) = await connection.call("mirror", claims, number=1)
        assert row["number"] == 1


async def test_the_claims_of_one_call_are_not_those_of_the_next(connection: PostgresConnection) -> None:
    tenants = [
        (await connection.call("mirror", claims))[0]["tenant"] for claims in (CLAIMS, None, {"tenant_id": "b"}, {})
    ]
    assert tenants == ["acme", None, "b", None]


@BOTH
async def test_a_broken_connection_is_told_once_and_then_opened_again(
    connection: PostgresConnection, cut: Cut, claims: dict[str, str] | None
) -> None:
    for _ in range(2):
        await connection.call("mirror", claims)
        cut()
        with pytest.raises(DatabaseUnavailable):
            await connection.call("mirror", claims)
        assert await connection.call("mirror", claims)


@BOTH
async def test_a_connection_that_breaks_in_the_middle_of_a_call_is_opened_again(
    connection: PostgresConnection, cut: Cut, until_asleep: UntilAsleep, claims: dict[str, str] | None
) -> None:
    sleeping = asyncio.create_task(connection.call("nap", claims, seconds=60))
    await until_asleep(1)
    cut()
    with pytest.raises(DatabaseUnavailable):
        await sleeping
    assert await connection.call("mirror", claims)


@BOTH
async def test_a_cancelled_call_ends_in_the_server_and_leaves_the_connection_usable(
    connection: PostgresConnection, until_asleep: UntilAsleep, claims: dict[str, str] | None
) -> None:
    sleeping = asyncio.create_task(connection.call("nap", claims, seconds=60))
    await until_asleep(1)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
    (row,) = await asyncio.wait_for(connection.call("mirror", claims, number=4), 20)
    assert (row["number"], row["tenant"]) == (4, claims and "acme")


@BOTH
async def test_a_call_may_be_cancelled_at_any_moment(
    connection: PostgresConnection, claims: dict[str, str] | None
) -> None:
    for moment in range(25):
        function = asyncio.create_task(connection.call("mirror", claims, **{"number": moment, "word": "x"}))
        for _ in range(moment % 12):
            await asyncio.sleep(0)
        function.cancel()
        await asyncio.gather(function, return_exceptions=True)
        (row,) = await asyncio.wait_for(connection.call("mirror", claims, number=moment), 20)
        assert row["number"] == moment
        if moment == 12:
            await connection.close()


async def test_a_statement_that_the_server_forgot_is_sent_again(connection: PostgresConnection) -> None:
    await connection.call("mirror", CLAIMS, number=1)
    await connection._connection.execute("deallocate all")  # type: ignore[union-attr]
    for number in range(3):
        (row,) = await connection.call("mirror", CLAIMS, number=number)
        assert (row["number"], row["tenant"]) == (number, "acme")


@BOTH
async def test_a_function_that_an_upgrade_gave_another_column_is_called_all_the_same(
    connection: PostgresConnection, watcher: psycopg.Connection, claims: dict[str, str] | None
) -> None:
    for number, columns in enumerate(("a int", "a int, b int", "a int, b int, c int"), 1):
        watcher.execute("drop function if exists public.widened")
        watcher.execute(f"""create function public.widened() returns table ({columns})
            language sql as 'select {", ".join("1" * number)}'""")  # type: ignore[arg-type]
        for _ in range(2):
            assert await connection.call("widened", claims) == [dict.fromkeys("abc"[:number], 1)]


async def test_what_the_database_does_not_support_is_not_asked_for_ever(
    connection: PostgresConnection, watcher: psycopg.Connection
) -> None:
    watcher.execute("""create or replace function public.unsupported(p_really boolean) returns table (a int)
        language plpgsql as $$ begin
            if p_really then raise exception 'no' using errcode = '0A000'; end if;
            return query select 1;
        end $$""")
    assert await connection.call("unsupported", None, really=False) == [{"a": 1}]
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        await connection.call("unsupported", None, really=True)


async def test_one_name_stands_for_one_statement_on_all_connections(
    connection: PostgresConnection, calls_url: str
) -> None:
    other = PostgresConnection(calls_url)
    prepared = []
    for caller, functions in ((connection, ("mirror", "total")), (other, ("total", "me"))):
        for function in functions:
            await caller.call(function, None)
        cursor = await caller._connection.execute("select name, statement from pg_prepared_statements")  # type: ignore[union-attr]
        prepared.append(dict(await cursor.fetchall()))
    await other.close()
    assert len(set(prepared[0]) & set(prepared[1])) == 1
    assert prepared[0] | prepared[1] == prepared[1] | prepared[0]


async def test_concurrent_calls_take_turns(connection: PostgresConnection) -> None:
    calls = [connection.call("mirror", {"tenant_id": str(n)}, number=n) for n in range(30)]
    rows = [row for (row,) in await asyncio.gather(*calls)]
    assert [(row["number"], row["tenant"]) for row in rows] == [(n, str(n)) for n in range(30)]


async def test_a_database_that_is_not_there_is_unavailable(calls_url: str) -> None:
    for url in (make_conninfo(calls_url, dbname="no_such_database"), "postgresql://nobody@127.0.0.1:1/none"):
        connection = PostgresConnection(url)
        with pytest.raises(DatabaseUnavailable):
            await connection.call("find_agents", None)
        await connection.close()


async def test_a_closed_connection_opens_at_the_next_call(connection: PostgresConnection) -> None:
    await connection.call("mirror", None)
    await connection.close()
    await connection.close()
    assert await connection.call("mirror", None)


async def test_it_takes_on_its_role_again_after_it_was_cut(calls_url: str, cut: Cut) -> None:
    pod = PostgresConnection(calls_url, role="fleet_pod")
    assert (await pod.call("me", None))[0]["me"] == "fleet_pod"
    cut()
    with pytest.raises(DatabaseUnavailable):
        await pod.call("me", None)
    assert (await pod.call("me", CLAIMS))[0]["me"] == "fleet_pod"
    await pod.close()


async def test_a_listener_is_told_what_came(connection: PostgresConnection, watcher: psycopg.Connection) -> None:
    await connection.listen("fleet_tasks")
    assert await connection.notified(0) == []
    watcher.execute("notify fleet_tasks, 'now'")
    assert await connection.notified(20) == ["now"]
    waiting = asyncio.create_task(connection.notified(20))
    await asyncio.sleep(0)
    watcher.execute("notify fleet_tasks, 'later'")
    assert await waiting == ["later"]


async def test_a_wait_for_a_notification_may_be_cancelled(
    connection: PostgresConnection, watcher: psycopg.Connection
) -> None:
    await connection.listen("fleet_tasks")
    waiting = asyncio.create_task(connection.notified(60))
    for _ in range(5):
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await connection.call("mirror", CLAIMS)
    watcher.execute("notify fleet_tasks, 'now'")
    assert await connection.notified(20) == ["now"]


async def test_a_notification_that_comes_with_a_call_is_not_lost(
    connection: PostgresConnection, calls_url: str
) -> None:
    await connection.listen("fleet_tasks")
    other = PostgresConnection(calls_url)
    await other.listen("fleet_tasks")
    async with await psycopg.AsyncConnection.connect(calls_url, autocommit=True) as teller:
        await teller.execute("notify fleet_tasks, 'now'")
    await connection.call("mirror", None)
    assert await connection.notified(20) == ["now"]
    await other.close()


async def test_a_listener_that_was_cut_says_so(connection: PostgresConnection, cut: Cut) -> None:
    await connection.listen("fleet_tasks")
    cut()
    with pytest.raises(DatabaseUnavailable):
        await connection.notified(20)
    assert await connection.call("mirror", None)
