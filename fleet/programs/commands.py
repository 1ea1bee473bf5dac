"""Commands that start programs: up, api, pod, deliver, migrate."""

import asyncio
import logging
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from agent_pod.settings import PodSettings
from fleet.connection import DEFAULT_DATA, connection_path
from fleet.console import err, out
from fleet.programs.fleet_tree import TENANT, FleetTree, check_data
from fleet.programs.secrecy import hide_from_other_processes
from fleet.programs.stopping import until_stopped
from kernel.errors import SettingsInvalid
from kernel.migrate import create_api_key, create_tenant, migrate, set_tenant_retries, set_tenant_share
from kernel.settings import Settings, Via, read_settings

ViaOption = Annotated[Via | None, typer.Option(help="How to reach the database; goes before FLEET_VIA.")]
Data = Annotated[Path, typer.Option(help="Folder of the fleet: database, logs, connection.json.")]


def add_to(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command()(up)
    app.command()(api)
    app.command()(pod)
    app.command()(deliver)
    app.command(name="migrate")(migrate_database)
    app.command(name="create-key")(create_key)
    app.command(name="tenant-share")(tenant_share)
    app.command(name="tenant-retries")(tenant_retries)


def up(
    data: Data = DEFAULT_DATA,
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.")] = 8700,
    pods: Annotated[int, typer.Option(min=1, max=64, help="Number of agent pods.")] = 2,
    via: ViaOption = None,
) -> None:
    """Run a whole fleet here: database, API and pods, until Ctrl-C. Prints `ready` when it takes work."""
    check_data(data)
    hide_from_other_processes()
    environment = os.environ | ({"FLEET_VIA": via} if via else {})
    with until_stopped(), FleetTree(data, port, pods, environment) as tree:
        out.print(f"ready {tree.connection.api_url} (key in {connection_path(data)})", highlight=False, soft_wrap=True)
        while True:
            time.sleep(1)
            for name in tree.keep_up():
                err.print(f"{name} had died and was started again; see {tree.data / 'logs'}")


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    via: ViaOption = None,
) -> None:
    """Run the execution API. Settings come from the environment; see docs/settings.md."""
    from execution_api.main import serve  # noqa: PLC0415  # each program pays only for its own imports
    from execution_api.settings import ApiSettings  # noqa: PLC0415

    hide_from_other_processes()
    options = {"fleet_api_host": host, "fleet_api_port": port, "fleet_via": via}
    serve(read_settings(ApiSettings, **{name: value for name, value in options.items() if value is not None}))


def pod(via: ViaOption = None) -> None:
    """Run an agent pod. Settings come from the environment; see docs/settings.md."""
    from agent_pod.main import serve  # noqa: PLC0415

    hide_from_other_processes()
    _log_plainly()
    asyncio.run(serve(read_settings(PodSettings, **({"fleet_via": via} if via else {}))))


def deliver(via: ViaOption = None) -> None:
    """Run a deliverer of mails, webhooks and pushes. Settings come from the environment; see docs/settings.md."""
    from delivery.main import serve  # noqa: PLC0415
    from delivery.settings import DeliverySettings  # noqa: PLC0415

    hide_from_other_processes()
    _log_plainly()
    asyncio.run(serve(read_settings(DeliverySettings, **({"fleet_via": via} if via else {}))))


def migrate_database() -> None:
    """Apply init.sql to the database of DATABASE_URL. Applying it again changes nothing."""
    migrate(read_settings(Settings).postgres_url)
    out.print("migrated")


def create_key(
    tenant: Annotated[
        str, typer.Option(help="Tenant that the key opens; it is made where it does not exist.")
    ] = TENANT,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "cli",
    role: Annotated[
        str, typer.Option(help="What it may do: viewer, worker, operator, process_owner or admin.")
    ] = "admin",
    scope: Annotated[list[str] | None, typer.Option(help="Only this scope of the role; may be repeated.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=36500, help="How long it is valid; for ever if not given.")
    ] = None,
) -> None:
    """Make an API key in the database of DATABASE_URL, and print it. It cannot be shown again."""
    _check_rights(role, scope)
    database_url = read_settings(Settings).postgres_url
    create_tenant(database_url, tenant, tenant)
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    out.print(create_api_key(database_url, tenant, name, role, scope or None, expires_at), highlight=False)


def _check_rights(role: str, scopes: list[str] | None) -> None:
    from execution_api.access.scopes import SCOPES_OF, Role  # noqa: PLC0415

    if role not in set(Role):
        raise SettingsInvalid(f"--role: {role!r} is no role. Use one of {', '.join(Role)}.")
    known = SCOPES_OF[Role(role)]
    unknown = sorted(set(scopes or ()) - known)
    if unknown:
        raise SettingsInvalid(f"--scope: {role} does not have {', '.join(unknown)}. Use of {', '.join(sorted(known))}.")


def tenant_share(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    weight: Annotated[float, typer.Option(help="Its share of the pods beside other tenants, which have 1.")] = 1.0,
    max_running: Annotated[
        int | None, typer.Option(help="Most tasks it may have running at once; any number unless given.")
    ] = None,
    max_waiting: Annotated[
        int | None, typer.Option(help="With so many tasks waiting it can start nothing more; any number unless given.")
    ] = None,
) -> None:
    """Set what a tenant may take of the pods, in the database of DATABASE_URL. Options not given are reset."""
    set_tenant_share(read_settings(Settings).postgres_url, tenant, weight, max_running, max_waiting)
    running = "any number of tasks" if max_running is None else f"at most {max_running} tasks"
    waiting = "any number" if max_waiting is None else f"at most {max_waiting}"
    out.print(f"{tenant}: weight {weight:g}, {running} at once, {waiting} waiting", highlight=False)


def tenant_retries(
    tenant: Annotated[str, typer.Argument(help="The tenant.")],
    first: Annotated[float | None, typer.Option(help="Seconds before the second attempt; 5 unless given.")] = None,
    factor: Annotated[float | None, typer.Option(help="By what the pause grows; 3 unless given.")] = None,
    longest: Annotated[float | None, typer.Option(help="Seconds of the longest pause; 600 unless given.")] = None,
    retry_on: Annotated[
        list[str] | None, typer.Option(help="An error class that is retried, and no others; may be repeated.")
    ] = None,
) -> None:
    """Set when failed attempts of a tenant's tasks are made again, where their definitions do not say so.

    In the database of DATABASE_URL. Options not given are reset.
    """
    given = {"first_seconds": first, "factor": factor, "cap_seconds": longest, "retry_on": retry_on or None}
    policy = {name: value for name, value in given.items() if value is not None}
    set_tenant_retries(read_settings(Settings).postgres_url, tenant, policy or None)
    said = ", ".join(f"{name} {', '.join(v) if isinstance(v, list) else f'{v:g}'}" for name, v in policy.items())
    out.print(f"{tenant}: {said or 'the default'}", highlight=False)


def _log_plainly() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("httpx", "httpx2", "mcp", "spiff", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # The MCP client logs what servers send, and that may be the credentials they were sent; our own errors say enough.
    for quoting in ("mcp.client", "client"):
        logging.getLogger(quoting).setLevel(logging.CRITICAL + 1)
