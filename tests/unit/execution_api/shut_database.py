"""Takes the database away from a running application."""

import psycopg
from fastapi import FastAPI
from psycopg.conninfo import conninfo_to_dict

from kernel.embedded import EmbeddedPostgres


def shut_database(app: FastAPI, server: EmbeddedPostgres, database_url: str) -> None:
    """Let nobody connect to `database_url` any more, and let `app` wait for a connection 0.1 s only."""
    app.state.services.kernel.transport._pool.timeout = 0.1
    name = str(conninfo_to_dict(database_url)["dbname"])
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute(f"alter database {name} with allow_connections false")  # type: ignore[arg-type]
        superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
