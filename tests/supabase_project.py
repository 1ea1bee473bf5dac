"""What a Supabase project is to us, on loopback: PostgreSQL with Supabase's roles, PostgREST, and a gateway.

The gateway does what Supabase's does: it serves PostgREST under /rest/v1, and gives a secret key, which is no token,
the token of service_role.
"""

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import npm_packages
import psycopg
from loopback_server import serving
from psycopg.conninfo import make_conninfo
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kernel.embedded import EmbeddedPostgres
from kernel.migrate import migrate

SECRET = "the secret that signs all tokens of this project"
SERVICE_KEY = "sb_secret_of_the_tests"
ROLES = """
    create role anon nologin; create role authenticated nologin; create role service_role nologin bypassrls;
    create role authenticator login noinherit; grant anon, authenticated, service_role to authenticator;
"""
AUTH_SCHEMA = """
    create schema auth;
    grant usage on schema auth, public to anon, authenticated, service_role;
    create function auth.jwt() returns jsonb language sql stable as $$
        select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $$;
    create function auth.uid() returns uuid language sql stable as $$ select (auth.jwt() ->> 'sub')::uuid $$;
    create function auth.role() returns text language sql stable as $$ select auth.jwt() ->> 'role' $$;
    create publication supabase_realtime;
"""


@dataclass(frozen=True)
class SupabaseProject:
    """`url` and `service_key` are what a program is given; `database_url` is the owner's direct connection."""

    url: str
    service_key: str
    database_url: str

    def token(self, role: str = "authenticated", **claims: Any) -> str:
        """A token that this project has signed."""
        return sign(role=role, **claims)


def sign(**claims: Any) -> str:
    return jwt.encode({"aud": "authenticated", "exp": int(time.time()) + 600, **claims}, SECRET, "HS256")


@contextlib.contextmanager
def supabase_project() -> Iterator[SupabaseProject]:
    """A project with init.sql applied, until the end of the block."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-test-")))
        server = stack.enter_context(EmbeddedPostgres(folder / "data"))
        with psycopg.connect(server.url, autocommit=True) as superuser:
            superuser.execute("alter system set fsync = off")
            superuser.execute("select pg_reload_conf()")
            superuser.execute(ROLES)
            superuser.execute("create database project")
        url = make_conninfo(server.url, dbname="project")
        with psycopg.connect(url, autocommit=True) as superuser:
            superuser.execute(AUTH_SCHEMA)
        migrate(url)
        rest = stack.enter_context(_postgrest(make_conninfo(url, user="authenticator"), folder))
        gateway = stack.enter_context(_gateway(rest))
        yield SupabaseProject(gateway, SERVICE_KEY, url)


@contextlib.contextmanager
def _postgrest(database_url: str, folder: Path) -> Iterator[str]:
    port, admin = _free_port(), _free_port()
    environment = {
        "PGRST_DB_URI": database_url,
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_EXTRA_SEARCH_PATH": "public, extensions",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": "1000",
        "PGRST_JWT_SECRET": SECRET,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_ADMIN_SERVER_PORT": str(admin),
    }
    log = folder / "postgrest.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [npm_packages.postgrest()], env={"PATH": os.environ["PATH"], **environment}, stdout=out, stderr=out
        )
    try:
        _wait_until_ready(f"http://127.0.0.1:{admin}/ready", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5).is_success:
                return
        time.sleep(0.05)
    raise AssertionError(f"PostgREST is not ready:\n{log.read_text()}")


@contextlib.contextmanager
def _gateway(rest_url: str) -> Iterator[str]:
    upstream = httpx.AsyncClient(base_url=rest_url, timeout=60)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with upstream:
            yield

    async def pass_on(request: Request) -> Response:
        headers = {k: v for k, v in request.headers.items() if k not in {"host", "content-length", "apikey"}}
        key = request.headers.get("apikey", "")
        if headers.get("authorization") in {None, f"Bearer {key}"} and key == SERVICE_KEY:
            headers["authorization"] = f"Bearer {sign(role='service_role')}"
        address = f"{request.path_params['path']}?{request.url.query}"
        answer = await upstream.request(request.method, address, content=await request.body(), headers=headers)
        kept = {k: v for k, v in answer.headers.items() if k in {"content-type", "content-range", "proxy-status"}}
        return Response(answer.content, answer.status_code, kept)

    methods = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"]
    app = Starlette(routes=[Route("/rest/v1/{path:path}", pass_on, methods=methods)], lifespan=lifespan)
    with serving(app) as address:
        yield address


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
