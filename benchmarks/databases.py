"""A database of its own for each part, with init.sql and the tenants of the benchmarks."""

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks.pod_process import TENANT
from kernel.migrate import create_tenant, migrate


def create(server_url: str, part: str) -> str:
    """Make the database of `part` on the server of `server_url`. Returns its URL."""
    name = f"bench_{part.replace('-', '_')}"
    with psycopg.connect(server_url, autocommit=True) as superuser:
        superuser.execute(f"create database {name}")
    url = make_conninfo(server_url, dbname=name)
    migrate(url)
    for tenant in (TENANT, *(f"{TENANT}-{number}" for number in range(1, 5))):
        create_tenant(url, tenant, tenant)
    return url
