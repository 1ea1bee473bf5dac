"""The command `fleet`."""

import sys

import typer

from fleet import demo
from fleet.console import err
from fleet.control import commands as control
from fleet.control import repair
from fleet.programs import commands as programs
from fleet.programs import doctor, prepare
from fleet.tenants import limits, webhooks
from fleet.work import check
from fleet.work import commands as work
from fleet.work.import_process_gpt import app as import_room
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
