"""`fleet tenant-share` and `fleet tenant-retries` against a real database."""

import os
import subprocess
import sys

import psycopg


def run(
    database_url: str, *arguments: str, command: str = "tenant-share"
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "fleet", command, *arguments],
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


def test_the_retries_of_a_tenant_are_set_refused_by_name_and_reset(
    database_url: str, owner: psycopg.Connection
) -> None:
    policy = "select retry_policy from public.tenants where tenant_id = 'acme'"
    options = ("--first", "60", "--factor", "5", "--retry-on", "timed_out", "--retry-on", "worker_lost")
    given = run(database_url, "acme", *options, command="tenant-retries")
    said = "acme: first_seconds 60, factor 5, retry_on timed_out, worker_lost\n"
    assert (given.returncode, given.stdout, given.stderr) == (0, said, "")
    expected = ({"first_seconds": 60, "factor": 5, "retry_on": ["timed_out", "worker_lost"]},)
    assert owner.execute(policy).fetchone() == expected
    refused = run(database_url, "acme", "--retry-on", "given_up", command="tenant-retries")
    assert refused.returncode == 1 and 'retry_on ["given_up"]' in refused.stderr + refused.stdout
    assert owner.execute(policy).fetchone() == expected
    assert run(database_url, "acme", command="tenant-retries").stdout == "acme: the default\n"
    assert owner.execute(policy).fetchone() == (None,)
