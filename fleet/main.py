"""The command `fleet`."""

import sys

import typer

from fleet import check, control, demo, doctor, limits, prepare, programs, repair, webhooks, work
from fleet.console import err
from fleet.process_gpt.command import app as import_room
from kernel.errors import FleetError

app = typer.Typer(
    name="fleet",
    help="ProcessFleet: business processes with AI agents that people can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for room in (programs, work, repair, control, limits, webhooks, check, doctor, prepare, demo):
    room.add_to(app)
app.add_typer(import_room)


def run() -> None:
    """Run the command line; an error of the house is one message and exit code 1."""
    try:
        app()
    except FleetError as error:
        err.print(f"[bold red]error:[/] {error}", highlight=False)
        remedy = getattr(error, "remedy", "")
        if remedy:
            err.print(f"       {remedy}", highlight=False)
        sys.exit(1)
