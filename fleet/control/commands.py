"""Commands that end work and hold it back: cancel, kill-switch set, release, list and drill.

They ask the API, as an operator of a tenant. What is about the whole fleet goes to the database of DATABASE_URL, as its
owner.
"""

import asyncio
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer

from fleet.connection import DEFAULT_DATA
from fleet.console import out, show
from fleet.options import AsJson, Data, open_api
from kernel import fleet_switch
from kernel.errors import SettingsInvalid
from kernel.functions import Kernel
from kernel.postgres import PostgresConnection
from kernel.settings import Settings, read_settings

_MOST = 500
_COLUMNS = ["switch_id", "scope", "key", "reason", "stops_running", "set_by", "set_at", "released_at"]


class CancelScope(StrEnum):
    """What a cancel is about."""

    TASK = "task"
    INSTANCE = "instance"
    AGENT = "agent"
    ORCHESTRATOR = "orchestrator"
    TENANT = "tenant"
    FLEET = "fleet"


class SwitchScope(StrEnum):
    """What a kill switch is about."""

    AGENT = "agent"
    ORCHESTRATOR = "orchestrator"
    TENANT = "tenant"
    FLEET = "fleet"


Key = Annotated[str | None, typer.Argument(help="Id of the task, instance, agent or orchestrator.")]
Reason = Annotated[str, typer.Option(help="Why; written to events.")]
Owner = Annotated[bool, typer.Option("--fleet", help="As the owner of the database of DATABASE_URL.")]

kill_switch = typer.Typer(name="kill-switch", help="Stop claims of a scope until they are released.")


def add_to(app: typer.Typer) -> None:
    """Add this room's commands."""
    app.command()(cancel)
    app.add_typer(kill_switch)


def cancel(
    scope: CancelScope,
    key: Key = None,
    reason: Reason = ...,  # type: ignore[assignment]  # typer's word for required
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what it would be.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Cancel a task, an instance, or all open work of an agent, an orchestrator, the tenant or the whole fleet."""
    if scope == CancelScope.FLEET:
        answers = asyncio.run(_cancel_fleet(read_settings(Settings).postgres_url, key, reason, yes))
    else:
        body = {"scope": scope, "key": key, "reason": reason, "dry_run": not yes, "most": _MOST}
        with open_api(data) as api:
            answers = [api.post("/cancellations", body)]
            while _goes_on(answers[-1]):
                answers.append(api.post("/cancellations", body))
    _tell_cancelled(answers, yes)


@kill_switch.command(name="set")
def set_switch(
    scope: SwitchScope,
    key: Key = None,
    reason: Reason = ...,  # type: ignore[assignment]
    stop_running: Annotated[bool, typer.Option(help="Hand back what runs; else it may finish.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Stop all claims of a scope: what is queued, comes back or comes new waits until the release."""
    if scope == SwitchScope.FLEET:
        made, waiting, running = fleet_switch.set_fleet_switch(_owner(key), reason, stop_running)
        switch_id: Any = made.switch_id
    else:
        with open_api(data) as api:
            body = {"scope": scope, "key": key, "reason": reason, "stops_running": stop_running}
            answer = api.post("/kill-switches", body)
        switch_id, waiting, running = answer["kill_switch"]["switch_id"], answer["waiting"], answer["running"]
    out.print(f"{switch_id} set: {waiting} tasks parked, {running} handed back", highlight=False)


@kill_switch.command()
def release(switch: UUID, owner: Owner = False, data: Data = DEFAULT_DATA) -> None:
    """Release a kill switch; what it had parked is back in the queue."""
    if owner:
        resumed = fleet_switch.release_fleet_switch(_owner(None), switch)[1]
    else:
        with open_api(data) as api:
            resumed = api.delete(f"/kill-switches/{switch}")["resumed"]
    out.print(f"{switch} released: {resumed} tasks resumed", highlight=False)


@kill_switch.command(name="list")
def list_switches(owner: Owner = False, as_json: AsJson = False, data: Data = DEFAULT_DATA) -> None:
    """List the kill switches that are set."""
    if owner:
        found: list[Any] = [s.model_dump(mode="json") for s in fleet_switch.fleet_switches(_owner(None))]
    else:
        with open_api(data) as api:
            found = api.get("/kill-switches", set="true", limit=_MOST)["items"]
    show(found, as_json, _COLUMNS, "kill switches")


@kill_switch.command()
def drill(
    scope: SwitchScope,
    key: Key = None,
    reason: Reason = "drill",
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Say what a kill switch would stop now, and write an event; nothing is stopped."""
    if scope == SwitchScope.FLEET:
        hit: Any = fleet_switch.drill_fleet_switch(_owner(key), reason).model_dump(mode="json")
    else:
        with open_api(data) as api:
            hit = api.post("/kill-switches", {"scope": scope, "key": key, "reason": reason, "drill": True})
    if as_json:
        out.print_json(data={name: hit[name] for name in ("running", "waiting", "task_ids")})
        return
    out.print(f"would stop {hit['running']} running and {hit['waiting']} waiting tasks", highlight=False)
    for task_id in hit["task_ids"]:
        out.print(f"  {task_id}", highlight=False)


async def _cancel_fleet(database_url: str, key: str | None, reason: str, yes: bool) -> list[dict[str, Any]]:
    from execution_api.bodies.control import CancellationRequest  # noqa: PLC0415
    from execution_api.work.cancellations import cancel_work  # noqa: PLC0415  # other commands do not pay for it

    _no_key(key)
    asked = CancellationRequest(scope="tenant", key=None, reason=reason, dry_run=not yes, most=_MOST)
    answers: list[dict[str, Any]] = []
    connection = PostgresConnection(database_url, "fleet_api")
    try:
        for tenant in fleet_switch.tenants(database_url):
            kernel = Kernel(connection).as_tenant(tenant, "owner")
            answers.append((await cancel_work(kernel, asked)).model_dump(mode="json"))
            while _goes_on(answers[-1]):
                answers.append((await cancel_work(kernel, asked)).model_dump(mode="json"))
    finally:
        await connection.close()
    return answers


def _goes_on(answer: dict[str, Any]) -> bool:
    return answer["cancelled"] > 0 and not answer["is_complete"]


def _tell_cancelled(answers: list[dict[str, Any]], yes: bool) -> None:
    instances = sum(len(answer["instances"]) for answer in answers)
    tasks = sum(len(answer["tasks"]) for answer in answers)
    running = sum(answer["running"] for answer in answers)
    done = f"cancelled {sum(answer['cancelled'] for answer in answers)} of" if yes else "would cancel"
    more = "" if all(answer["is_complete"] for answer in answers) or yes else " or more"
    out.print(f"{done} {instances} instances and {tasks} tasks{more}; {running} tasks run", highlight=False)
    for answer in answers:
        for effect in answer["effects"]:
            line = f"  not undone: {effect['name']} of task {effect['task_id']} at {effect['timestamp'][:19]}"
            out.print(f"{line} (call {effect['call_id']})", highlight=False, soft_wrap=True)
        if not answer["effects_are_complete"]:
            out.print("  and more: see the journals", highlight=False)


def _owner(key: str | None) -> str:
    _no_key(key)
    return read_settings(Settings).postgres_url


def _no_key(key: str | None) -> None:
    if key is not None:
        raise SettingsInvalid(f"KEY {key!r}: the scope fleet has no key. Leave it out.")
