"""Commands that repair process instances: incidents, retry, discard, steps, fork, move, repair."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from fleet.connection import DEFAULT_DATA
from fleet.console import out, show
from fleet.options import AsJson, Data, json_object, open_api

_MOST = 500  # of one request
Reason = Annotated[str, typer.Option(help="Why; written to events.")]


def add_to(app: typer.Typer) -> None:
    """Add this room's commands."""
    for command in (incidents, retry, discard, steps, fork, move, repair):
        app.command()(command)


def incidents(
    definition: Annotated[str | None, typer.Option(help="Only of this process definition.")] = None,
    kind: Annotated[str | None, typer.Option(help="task, cancelled_task, event or start.")] = None,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """List what stands still until somebody repairs it."""
    with open_api(data) as api:
        found = api.get("/incidents", definition=definition, kind=kind)["items"]
    columns = ["incident_id", "kind", "process_definition_id", "activity_id", "proc_inst_id", "error"]
    show(found, as_json, columns, "incidents")


def retry(
    incident: Annotated[str, typer.Argument(help="Id of a FAILED task, or of an event in `fleet incidents`.")],
    variables: Annotated[str | None, typer.Option(help="Variables to set before, as a JSON object.")] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Make every call anew; it is paid again.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why; needed with the other two.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Take an incident up again: as it is, with changed variables, or from scratch."""
    body: dict[str, Any] = {"reason": reason, "from_scratch": from_scratch}
    if variables is not None:
        body["variables"] = json_object("--variables", variables)
    with open_api(data) as api:
        answer = api.post(f"/incidents/{incident}/retry", body)
    status = answer["task"]["status"] if answer["task"] else answer["kind"]
    out.print(f"{answer['incident_id']} {status}", highlight=False)
    if paid := answer["paid_again"]:
        cost = "unknown" if paid["cost_usd"] is None else f"{paid['cost_usd']} USD"
        calls = f"{paid['model_calls']} model calls and {paid['tool_calls']} tool calls"
        out.print(f"  made anew: {calls}; they had cost {cost}", highlight=False)
    for effect in answer["effects"]:
        out.print(f"  may be done again: {effect['name']} (call {effect['call_id']})", highlight=False)


def discard(
    incident: Annotated[str, typer.Argument(help="Id of an event in `fleet incidents`.")],
    reason: Reason,
    data: Data = DEFAULT_DATA,
) -> None:
    """Give up an event that a process could not take."""
    with open_api(data) as api:
        answer = api.post(f"/incidents/{incident}/discard", {"reason": reason})
    out.print(f"{answer['incident_id']} discarded", highlight=False)


def steps(instance: str, as_json: AsJson = False, data: Data = DEFAULT_DATA) -> None:
    """List the steps that an instance made; `fleet fork` begins before one of them."""
    with open_api(data) as api:
        found = api.get(f"/instances/{instance}/steps")["items"]
    show(found, as_json, ["step", "kind", "activity_id", "name", "task_id", "actor", "at", "proc_inst_id"], "steps")


def fork(
    instance: str,
    reason: Reason,
    task: Annotated[str | None, typer.Option(help="The last moment that this task was open.")] = None,
    step: Annotated[int | None, typer.Option(help="Before this step of `fleet steps`.")] = None,
    variables: Annotated[str, typer.Option(help="Variables to set before, as a JSON object.")] = "{}",
    version: Annotated[int | None, typer.Option(help="Of the definition; none: the one it had.")] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """Start another instance where one stood at an earlier moment; print its id."""
    body = {"reason": reason, "task_id": task, "step": step, "version": version}
    with open_api(data) as api:
        answer = api.post(f"/instances/{instance}/fork", {**body, "variables": json_object("--variables", variables)})
    out.print(answer["process_instance_id"], highlight=False)


def move(
    instance: str,
    source: Annotated[str, typer.Option("--from", help="BPMN id of the element that the token is at.")],
    target: Annotated[str, typer.Option("--to", help="BPMN id of the element that it is to be at.")],
    reason: Reason,
    variables: Annotated[str, typer.Option(help="Variables to set before, as a JSON object.")] = "{}",
    data: Data = DEFAULT_DATA,
) -> None:
    """Move a token of an instance, and cancel what is open where it was."""
    body = {"from": source, "to": target, "reason": reason, "variables": json_object("--variables", variables)}
    with open_api(data) as api:
        answer = api.post(f"/instances/{instance}/move", body)
    out.print(f"{answer['process_instance_id']} moved in step {answer['step']}", highlight=False)


class Action(StrEnum):
    """What is done with all that fit."""

    RETRY = "retry"
    RETRY_FROM_SCRATCH = "retry_from_scratch"
    MOVE = "move"


def repair(
    action: Action,
    reason: Reason,
    definition: Annotated[str | None, typer.Option(help="Of this process definition.")] = None,
    version: Annotated[int | None, typer.Option(help="Of this version.")] = None,
    activity: Annotated[str | None, typer.Option(help="Incidents of this activity or event.")] = None,
    queue: Annotated[str | None, typer.Option(help="Incidents of this orchestrator.")] = None,
    kind: Annotated[str | None, typer.Option(help="Incidents of this kind.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="With move: where the token is.")] = None,
    target: Annotated[str | None, typer.Option("--to", help="With move: where it is to be.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only say what would be done.")] = False,
    data: Data = DEFAULT_DATA,
) -> None:
    """Retry all incidents that fit, or move the tokens of all instances in ERROR that fit."""
    filters = {"process_definition_id": definition, "version": version, "activity_id": activity, "queue": queue}
    asked = {**filters, "kind": kind, "from": source, "to": target}
    body = {name: value for name, value in asked.items() if value is not None}
    body |= {"action": action, "reason": reason, "dry_run": not yes, "most": _MOST}
    with open_api(data) as api:
        answers = [api.post("/repairs", body)]
        while answers[-1]["next"]:
            answers.append(api.post("/repairs", {**body, "before": answers[-1]["next"]}))
    items = [item for answer in answers for item in answer["items"]]
    for item in items:
        what = item["incident_id"] or item["process_instance_id"]
        out.print(f"{what} {item['outcome']} {item['detail'] or ''}".rstrip(), highlight=False, markup=False)
    refused = sum(item["outcome"] == "refused" for item in items)
    word = "done" if yes else "would be done"
    out.print(f"{len(items) - refused} {word}, {refused} refused", highlight=False)
