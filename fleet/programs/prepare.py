"""`fleet prepare`: makes the environments of orchestrators that are scripts."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from agent_pod.settings import PodSettings
from agent_pod.user_space import environments
from agent_pod.user_space.registry import read_orchestrators
from fleet.console import out


def add_to(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command()(prepare)


def prepare(
    names: Annotated[list[str] | None, typer.Argument(help="Orchestrators; all that need it, unless given.")] = None,
) -> None:
    """Make the environments of orchestrators that have dependencies of their own. Ready ones are left as they are."""
    declared = read_orchestrators(path_setting("fleet_orchestrators"), names or [])
    for declaration in declared.values():
        if not environments.needs_environment(declaration):
            out.print(f"{declaration.name}: needs no environment of its own", highlight=False)
            continue
        placed = environments.with_environment(declaration, path_setting("fleet_environments"))
        started = time.monotonic()
        environments.make(placed)
        took = f"{time.monotonic() - started:.0f} s"
        out.print(f"{declaration.name}: ready in {took}, {placed.environment}", highlight=False, soft_wrap=True)


def path_setting(setting: str) -> Path:
    """The folder that a setting of pods names, without a look at the others."""
    # Not the whole settings of a pod: images are built where there is no database.
    return Path(os.environ.get(setting.upper()) or PodSettings.model_fields[setting].default)
