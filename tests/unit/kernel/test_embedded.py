"""The server of our own: it starts, stops, and finds its data again."""

import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from kernel.embedded import EmbeddedPostgres
from kernel.errors import SettingsInvalid


def test_it_starts_for_this_machine_alone_stops_even_on_an_error_and_finds_its_data_again() -> None:
    # Not below pytest's own folder: as root the server is another user, to whom that folder is closed.
    with tempfile.TemporaryDirectory(prefix="fleet-test-") as folder:
        directory = Path(folder) / "below" / "data"
        server = EmbeddedPostgres(directory)
        with pytest.raises(RuntimeError, match="on purpose"), server:
            with psycopg.connect(server.url, autocommit=True) as connection:
                assert connection.info.host.startswith("/")
                assert connection.execute("show listen_addresses").fetchone() == ("",)
                connection.execute("create extension vector")
                connection.execute("create table kept (v vector(2))")
                connection.execute("insert into kept values ('[1,2]')")
            assert "ready to accept connections" in server.log.read_text()
            raise RuntimeError("on purpose")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.url, connect_timeout=2)
        with EmbeddedPostgres(directory) as again, psycopg.connect(again.url) as connection:
            assert connection.execute("select v::text from kept").fetchone() == ("[1,2]",)


def test_a_server_whose_owner_was_killed_is_stopped_by_the_next_one() -> None:
    with tempfile.TemporaryDirectory(prefix="fleet-test-") as folder:
        data = Path(folder) / "data"
        with EmbeddedPostgres(data):
            pass
        (data / ".handle_pids.json").write_text("[999999999]")
        with EmbeddedPostgres(data):
            assert (data / "postmaster.pid").exists()
        assert not (data / "postmaster.pid").exists()


def test_a_crash_is_recovered_from_also_where_the_library_does_not_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="fleet-test-") as folder, EmbeddedPostgres(Path(folder) / "data") as server:
        start, waits = server._server.ensure_postgres_running, [True, False]

        def start_slowly() -> None:
            start()
            if waits.pop(0):
                raise subprocess.TimeoutExpired("pg_ctl", 10)

        monkeypatch.setattr(server._server, "ensure_postgres_running", start_slowly)
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("create table kept ()")
            server.crash()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("select")
        assert waits == []
        with psycopg.connect(server.url) as connection:
            connection.execute("select from kept")


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="too long for a database"), EmbeddedPostgres(tmp_path / ("x" * 90)):
        pass
