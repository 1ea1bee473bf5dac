"""Applying the schema, and what only the owner makes: tenants and keys."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from kernel.embedded import EmbeddedPostgres
from kernel.errors import DatabaseUnavailable, FleetError
from kernel.functions import Kernel
from kernel.migrate import create_api_key, create_tenant, hash_api_key, migrate, schema_text, store_api_key


@pytest.fixture
def empty_url(server: EmbeddedPostgres) -> Iterator[str]:
    """A database without anything."""
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute("create database nothing_yet")
        yield make_conninfo(server.url, dbname="nothing_yet")
        superuser.execute("drop database nothing_yet with (force)")


def number_of_tables(url: str) -> int:
    with psycopg.connect(url) as connection:
        (number,) = connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() or (0,)
        return number


def test_an_empty_database_is_ready_after_it(empty_url: str) -> None:
    migrate(empty_url)
    tables = number_of_tables(empty_url)
    migrate(empty_url)
    assert number_of_tables(empty_url) == tables > 10
    create_tenant(empty_url, "acme", "Acme")


def test_several_at_once_wait_for_one_another(empty_url: str) -> None:
    start = threading.Barrier(3)

    def apply() -> None:
        start.wait()
        migrate(empty_url)

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(apply) for _ in range(3)]:
            done.result()
    assert number_of_tables(empty_url) > 10


def test_a_migration_that_fails_leaves_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = schema_text()
    monkeypatch.setattr("kernel.migrate.schema_text", lambda: text + "\nselect 1 / 0;")
    with pytest.raises((psycopg.Error, FleetError)):
        migrate(empty_url)
    assert number_of_tables(empty_url) == 0


def test_it_gives_way_to_a_transaction_that_comes_the_other_way(database_url: str) -> None:
    with psycopg.connect(database_url) as program, ThreadPoolExecutor(1) as threads:
        program.execute("update bpm_proc_inst set error = null where false")
        migrating = threads.submit(migrate, database_url)
        wait_until_somebody_waits_for(program, "bpm_proc_inst")
        program.execute("lock table tenants in row exclusive mode")  # taken before, where it is taken in order
        program.commit()
        migrating.result()


def test_it_names_who_is_in_its_way_and_changes_nothing(database_url: str) -> None:
    with psycopg.connect(database_url, application_name="a report") as reader:
        reader.execute("select from todolist")
        with pytest.raises(
            DatabaseUnavailable, match=rf"pid {reader.info.backend_pid} \(a report, idle in transaction"
        ):
            migrate(database_url, patience_seconds=0.3)
    migrate(database_url)


def wait_until_somebody_waits_for(program: psycopg.Connection, table: str) -> None:
    query = "select count(*) from pg_locks where not granted and relation = %s::regclass"
    for _ in range(100_000):
        if program.execute(query, [table]).fetchone() == (1,):
            return
    raise AssertionError(f"nobody waits for {table}")


def test_a_database_that_is_not_there_is_unavailable(server: EmbeddedPostgres) -> None:
    for url in ("postgresql://nobody:hunter2@127.0.0.1:1/none", make_conninfo(server.url, dbname="no_such_database")):
        with pytest.raises(DatabaseUnavailable) as refusal:
            migrate(url)
        assert "hunter2" not in str(refusal.value)


async def test_a_key_opens_its_tenant_and_is_never_stored(
    database_url: str, owner: psycopg.Connection, kernel_api: Kernel
) -> None:
    key = create_api_key(database_url, "acme", "ci")
    found = await kernel_api.authenticate_api_key(hash_api_key(key))
    assert found is not None and (found.tenant_id, found.name) == ("acme", "ci")
    assert await kernel_api.authenticate_api_key(hash_api_key(key + "x")) is None
    assert await kernel_api.authenticate_api_key(key) is None
    (row,) = owner.execute("select to_jsonb(k)::text from api_key k").fetchone() or ("",)
    assert hash_api_key(key) in row and key not in row and key.removeprefix("fleet_") not in row


def test_no_two_keys_are_alike(database_url: str) -> None:
    keys = {create_api_key(database_url, "acme", "ci") for _ in range(5)}
    assert len(keys) == 5
    assert all(key.startswith("fleet_") and len(key) > 40 for key in keys)


async def test_a_revoked_key_opens_nothing(database_url: str, owner: psycopg.Connection, kernel_api: Kernel) -> None:
    key = create_api_key(database_url, "acme", "ci")
    owner.execute("update api_key set revoked_at = now()")
    assert await kernel_api.authenticate_api_key(hash_api_key(key)) is None


async def test_storing_a_key_again_changes_its_name_only(
    database_url: str, owner: psycopg.Connection, kernel_api: Kernel
) -> None:
    for name in ("first", "second"):
        store_api_key(database_url, "acme", name, "fleet_known")
    found = await kernel_api.authenticate_api_key(hash_api_key("fleet_known"))
    assert found is not None and (found.tenant_id, found.name) == ("acme", "second")
    assert owner.execute("select count(*) from api_key").fetchone() == (1,)


async def test_a_key_of_one_tenant_cannot_be_stored_for_another(database_url: str, kernel_api: Kernel) -> None:
    store_api_key(database_url, "acme", "first", "fleet_known")
    with pytest.raises(FleetError, match="another tenant"):
        store_api_key(database_url, "globex", "second", "fleet_known")
    found = await kernel_api.authenticate_api_key(hash_api_key("fleet_known"))
    assert found is not None and (found.tenant_id, found.name) == ("acme", "first")


def test_a_tenant_that_exists_stays_as_it_is(database_url: str, owner: psycopg.Connection) -> None:
    create_tenant(database_url, "acme", "Other")
    assert owner.execute("select name from tenants where tenant_id = 'acme'").fetchone() == ("Acme",)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda url: create_tenant(url, "No Capitals", "n"),
        lambda url: create_tenant(url, "", "n"),
        lambda url: create_api_key(url, "nobody", "ci"),
    ],
    ids=["capitals", "empty", "unknown tenant"],
)
def test_a_wrong_tenant_is_an_error_of_the_house(database_url: str, wrong: Callable[[str], object]) -> None:
    with pytest.raises(FleetError):
        wrong(database_url)
