"""Commands for work: deploy, start, tasks, submit, status, events."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fleet.connection import DEFAULT_DATA
from fleet.console import out, show
from fleet.options import AsJson, Data, json_object, open_api


def add_to(app: typer.Typer) -> None:
    """Add this room's commands."""
    for command in (deploy, start, tasks, submit, status, events):
        app.command()(command)


def deploy(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    process: Annotated[str | None, typer.Option(help="Which process of a BPMN file, where it holds several.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Deploy a BPMN file as a new version of its process definition, or a DMN file (.dmn) with its decisions."""
    with open_api(data) as api:
        versions = api.deploy(file, process)
    for deployed in versions:
        note = "" if deployed["is_new"] else " (unchanged)"
        out.print(f"{deployed['id']} version {deployed['version']}{note}", highlight=False)


def start(
    definition: str,
    variables: Annotated[str, typer.Option("--input", help="Variables, as a JSON object.")] = "{}",
    wait: Annotated[int, typer.Option(min=0, max=300, help="Seconds to wait for an end or a person's task.")] = 0,
    data: Data = DEFAULT_DATA,
) -> None:
    """Start an instance of a process definition and print its id."""
    body = {
        "input": {
            "process_definition_id": definition,
            "process_instance_id": "new",
            "form_values": json_object("--input", variables),
        }
    }
    with open_api(data) as api:
        answer = api.post(f"/complete?wait={wait}" if wait else "/complete", body)
    out.print(f"{answer['process_instance_id']} {answer['status']}", highlight=False)


def tasks(
    task_status: Annotated[str, typer.Option("--status", help="TODO, PENDING, IN_PROGRESS, DONE, FAILED ...")] = "TODO",
    person: Annotated[str | None, typer.Option(help="Assignee or candidate group.")] = None,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """List tasks; those that wait for a person, unless told otherwise."""
    with open_api(data) as api:
        found = api.get("/tasks", status=task_status, person=person)["items"]
    show(
        found, as_json, ["task_id", "process_definition_id", "name", "status", "assignee", "candidate_groups"], "tasks"
    )


def submit(
    task: str,
    output: Annotated[str, typer.Option(help="What the form holds, as a JSON object.")] = "{}",
    data: Data = DEFAULT_DATA,
) -> None:
    """Submit a person's task."""
    with open_api(data) as api:
        answer = api.post(f"/tasks/{task}/submit", {"output": json_object("--output", output)})
    out.print_json(data=answer)


def status(
    instance: Annotated[str | None, typer.Argument(help="One instance; without it, the newest ones.")] = None,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Show one instance with its tasks and variables, or list the newest instances."""
    with open_api(data) as api:
        if instance is None:
            found = api.get("/instances")["items"]
            show(
                found,
                as_json,
                ["id", "process_definition_id", "status", "initiator", "start_time", "error"],
                "instances",
            )
            return
        whole = api.get(f"/instances/{instance}")
    if as_json:
        out.print_json(data=whole)
        return
    out.print(f"[bold]{whole['process_definition_id']}[/] {whole['id']}: [bold]{whole['status']}[/]", highlight=False)
    if whole.get("error"):
        out.print(f"incident: {whole['error']}", highlight=False, markup=False)
    show(whole["tasks"], False, ["activity_id", "iteration", "status", "agent_orch", "attempt", "error"], "tasks")
    out.print_json(data=whole["variables"])


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    instance: Annotated[str | None, typer.Option(help="Only of this instance.")] = None,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Print what happened, oldest first."""
    path = f"/instances/{instance}/events" if instance else "/events"
    after = 0
    with open_api(data) as api:
        while True:
            page = api.get(path, after=after, limit=500)["items"]
            for event in page:
                after = event["event_id"]
                _print_event(event, as_json)
            if not page and not follow:
                return
            if not page:
                time.sleep(0.5)


def _print_event(event: dict[str, Any], as_json: bool) -> None:
    if as_json:
        out.print(json.dumps(event, ensure_ascii=False), highlight=False, markup=False, soft_wrap=True)
        return
    line = f"{event['timestamp'][:23]}  {event['event_type']:<20} {event['message'] or '':<40} {event['actor']}"
    out.print(line, highlight=False, markup=False, soft_wrap=True)
