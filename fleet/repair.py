"""Commands that repair process instances: incidents, retry, discard."""

from typing import Annotated, Any

import typer

from fleet.connection import DEFAULT_DATA
from fleet.console import out
from fleet.work import AsJson, Data, json_object, open_api, show

Reason = Annotated[str, typer.Option(help="Why; written to events.")]


def add_to(app: typer.Typer) -> None:
    """Add this room's commands."""
    for command in (incidents, retry, discard):
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
