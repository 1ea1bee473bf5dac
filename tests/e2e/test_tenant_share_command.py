"""`fleet tenant-share` against a real database."""

import os
import subprocess
import sys

import psycopg


def run(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fleet", "tenant-share", *arguments],
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_share_of_a_tenant_is_set_and_reset(database_url: str, owner: psycopg.Connection) -> None:
    share = "select weight::float, max_running, max_waiting from public.tenants where tenant_id = 'acme'"
    given = run(database_url, "acme", "--weight", "2.5", "--max-running", "7", "--max-waiting", "90")
    said = "acme: weight 2.5, at most 7 tasks at once, at most 90 waiting\n"
    assert (given.returncode, given.stdout, given.stderr) == (0, said, "")
    assert owner.execute(share).fetchone() == (2.5, 7, 90)
    assert run(database_url, "acme").returncode == 0
    assert owner.execute(share).fetchone() == (1, None, None)


def test_a_share_that_cannot_be_is_refused_by_name(database_url: str) -> None:
    refused = run(database_url, "acme", "--max-running", "0")
    assert refused.returncode == 1 and "max_running" in refused.stderr + refused.stdout
