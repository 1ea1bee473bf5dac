"""`fleet doctor`: looks at what a fleet needs, and says what to do where something is missing."""

import asyncio
import getpass
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import httpx
import psycopg
import typer

from agent_pod.user_space import environments
from agent_pod.user_space.registry import OrchestratorDeclaration, read_orchestrators
from agent_pod.user_space.runner_user import choose_runner_user
from fleet.connection import DEFAULT_DATA, read_connection
from fleet.console import out
from fleet.programs.prepare import path_setting
from kernel.connect import open_connection
from kernel.errors import FleetError, SettingsInvalid
from kernel.settings import Settings, Via, read_settings

_Check = Callable[[Settings], str]


def add_to(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command()(doctor)


def doctor(data: Annotated[Path, typer.Option(help="Folder of a running fleet.")] = DEFAULT_DATA) -> None:
    """Check database, model, orchestrators and this machine. Exit code 1 where something is missing."""
    connection = read_connection(data)
    given = {} if os.environ.get("DATABASE_URL") or not connection else {"database_url": connection.database_url}
    settings = read_settings(Settings, **given)
    checks: list[tuple[str, _Check]] = [("machine", _machine), ("orchestrators", _orchestrators)]
    if settings.database_url:
        checks.append(("database", _database))
    if settings.fleet_via is Via.SUPABASE:
        checks.append(("Supabase project", _project))
    if os.environ.get("OPENAI_API_KEY"):
        checks.append(("model", _model))
    if connection:
        checks.append(("execution API", lambda _: _api(connection.api_url)))
    failed = 0
    for name, check in checks:
        try:
            out.print(f"[green]ok[/]      {name}: {check(settings)}", highlight=False)
        except (FleetError, psycopg.Error, httpx.HTTPError, OSError) as error:
            failed += 1
            out.print(f"[red]missing[/] {name}: {error}", highlight=False)
    if not os.environ.get("OPENAI_API_KEY"):
        out.print("note    model: OPENAI_API_KEY is not set; `fleet up` uses the offline model", highlight=False)
    if failed:
        raise typer.Exit(1)


def _machine(_: Settings) -> str:
    if sys.platform != "linux":
        raise SettingsInvalid(f"pods run on Linux; this is {sys.platform}. Use a container or a virtual machine.")
    user = asyncio.run(choose_runner_user(os.environ.get("FLEET_RUNNER_USER"))) or getpass.getuser()
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return f"{python}; orchestrators run as user {user}"


def _database(settings: Settings) -> str:
    with psycopg.connect(settings.postgres_url, connect_timeout=5) as connection:
        version = connection.info.server_version // 10_000
        if version < 15:
            raise SettingsInvalid(f"PostgreSQL {version} is too old. Use 15 or newer.")
        row = connection.execute("select to_regprocedure('public.next_task(uuid, jsonb, int, jsonb)')").fetchone()
        if row is None or row[0] is None:
            raise SettingsInvalid("init.sql is not applied. Run `fleet migrate`.")
        for role in ("fleet_api", "fleet_pod", "fleet_deliver"):
            connection.execute(f"set local role {role}")
            connection.execute("reset role")
    return f"PostgreSQL {version}, init.sql applied, roles usable"


def _project(settings: Settings) -> str:
    async def ask() -> None:
        for role in ("fleet_api", "fleet_pod", "fleet_deliver"):
            connection = open_connection(settings, role)
            await connection.call("describe_functions", None)
            await connection.close()

    asyncio.run(ask())
    return f"{settings.supabase_url} answers, roles usable"


def _orchestrators(_: Settings) -> str:
    return ", ".join(map(_shown, read_orchestrators(path_setting("fleet_orchestrators"), []).values()))


def _shown(declaration: OrchestratorDeclaration) -> str:
    if not environments.needs_environment(declaration):
        return declaration.name
    if environments.is_ready(environments.with_environment(declaration, path_setting("fleet_environments"))):
        return declaration.name
    return f"{declaration.name} (not served here before `fleet prepare {declaration.name}`)"


def _model(settings: Settings) -> str:
    from knowledge.embed import Embedder  # noqa: PLC0415  # half a second that no other command needs

    async def ask() -> int:
        key = settings.openai_api_key.get_secret_value()
        embedder = Embedder(settings.openai_base_url, key, settings.fleet_embedding_model)
        try:
            return len((await embedder.embed(["hello"]))[0])
        finally:
            await embedder.aclose()

    dimensions = asyncio.run(ask())
    return f"{settings.openai_base_url} answers; {settings.fleet_embedding_model} has {dimensions} dimensions"


def _api(url: str) -> str:
    httpx.get(f"{url}/readyz", timeout=5).raise_for_status()
    return f"{url} is ready"
