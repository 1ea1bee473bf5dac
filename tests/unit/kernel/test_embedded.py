"""The server of our own: it starts, stops, and finds its data again."""

import tempfile
from pathlib import Path

import psycopg
import pytest

from kernel.embedded import EmbeddedPostgres


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
