"""init.sql as a migration of the Supabase CLI: applied, applied again at an upgrade, and looked at by its advisors."""

import asyncio
import contextlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import npm_packages
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from schema_catalogue import catalogue
from supabase_project import AUTH_SCHEMA, ROLES

from kernel.embedded import EmbeddedPostgres
from kernel.migrate import migrate, schema_text

Cli = Callable[..., str]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server with Supabase's roles."""
    with (
        tempfile.TemporaryDirectory(prefix="fleet-test-") as folder,
        EmbeddedPostgres(Path(folder) / "data") as embedded,
    ):
        with psycopg.connect(embedded.url, autocommit=True) as superuser:
            superuser.execute(ROLES)
        yield embedded


@pytest.fixture
def project(server: EmbeddedPostgres) -> Iterator[Callable[[str], str]]:
    """Makes databases as Supabase gives them: `project("name")`, whose URL it returns."""
    made: list[str] = []

    def make(name: str) -> str:
        with psycopg.connect(server.url, autocommit=True) as superuser:
            superuser.execute(f"create database {name}")  # type: ignore[arg-type]
        made.append(make_conninfo(server.url, dbname=name))
        with psycopg.connect(made[-1], autocommit=True) as owner:
            owner.execute(AUTH_SCHEMA)
        return made[-1]

    yield make
    with psycopg.connect(server.url, autocommit=True) as superuser:
        for url in made:
            name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
            superuser.execute(f"drop database {name} with (force)")  # type: ignore[arg-type]


@pytest.fixture
def cli(server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Cli]:
    """Runs the CLI in a folder of its own: `cli(database, "migration", "up")`. It knows TCP only."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DO_NOT_TRACK": "1"}
    with passed_on(server.directory / ".s.PGSQL.5432") as port:

        def run(database: str, *arguments: str) -> str:
            remote = f"--remote=postgresql://postgres:none@127.0.0.1:{port}/{database}?sslmode=disable"
            command = [npm_packages.supabase_cli(), *arguments, *([remote] if database else []), "--yes"]
            done = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
            )
            assert done.returncode == 0, done.stderr + done.stdout
            return done.stdout

        run("", "init")
        yield run


@contextlib.contextmanager
def passed_on(unix_socket: Path) -> Iterator[int]:
    """The port on 127.0.0.1 that leads to `unix_socket` until the end of the block."""
    loop = asyncio.new_event_loop()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            while data := await reader.read(65_536):
                writer.write(data)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(str(unix_socket))
        await asyncio.gather(copy(reader, there[1]), copy(there[0], writer), return_exceptions=True)

    listening = loop.run_until_complete(asyncio.start_server(connect, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(listening.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def write_migration(folder: Path, number: int) -> None:
    migrations = folder / "supabase" / "migrations"
    migrations.mkdir(exist_ok=True)
    (migrations / f"{number}_process_fleet.sql").write_text(schema_text())


def test_as_a_migration_it_makes_what_fleet_migrate_makes_and_changes_nothing_at_an_upgrade(
    cli: Cli, project: Callable[[str], str], tmp_path: Path
) -> None:
    by_cli, by_fleet = project("by_cli"), project("by_fleet")
    migrate(by_fleet)
    write_migration(tmp_path, 20261120000000)
    cli("by_cli", "migration", "up")
    with psycopg.connect(by_cli) as migrated, psycopg.connect(by_fleet) as expected:
        first = catalogue(migrated)
        assert first["functions"] == catalogue(expected)["functions"]
        assert {kind: len(lines) for kind, lines in first.items() if kind != "schemas"} == {
            kind: len(lines) for kind, lines in catalogue(expected).items() if kind != "schemas"
        }
    write_migration(tmp_path, 20261121000000)
    cli("by_cli", "migration", "up")
    assert cli("by_cli", "migration", "list").count("20261121000000") == 2
    with psycopg.connect(by_cli) as migrated:
        assert catalogue(migrated) == first


def test_the_advisors_find_no_error(cli: Cli, project: Callable[[str], str]) -> None:
    with psycopg.connect(project("advised"), autocommit=True) as owner:
        owner.execute("create table public.open_to_all (id int); grant select on public.open_to_all to anon")
    found = {finding["name"] for finding in errors(cli("advised", "db", "advisors"))}
    assert found == {"rls_disabled_in_public"}  # so it finds what there is
    migrate(project("clean"))
    findings = json.loads(cli("clean", "db", "advisors"))
    assert errors(json.dumps(findings)) == []
    assert {(f["name"], f["metadata"]["schema"]) for f in findings} <= {("function_search_path_mutable", "kernel")}


def errors(findings: str) -> list[dict]:
    return [finding for finding in json.loads(findings) if finding["level"] == "ERROR"]
