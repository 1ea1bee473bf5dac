"""Options that many commands have, and how they are read."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fleet.api_client import ApiClient
from fleet.connection import api_and_key
from kernel.errors import SettingsInvalid

Data = Annotated[Path, typer.Option(help="Folder of the fleet that `fleet up` was given.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def open_api(data: Path) -> ApiClient:
    """A client of the fleet in `data`. Raises SettingsInvalid where none is known."""
    return ApiClient(*api_and_key(data))


def json_object(option: str, text: str) -> dict[str, Any]:
    """The JSON object that `option` was given as `text`. Raises SettingsInvalid where it is none."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SettingsInvalid(
            f"{option}: {text!r} is no JSON: {error}. Give an object such as '{{\"a\": 1}}'."
        ) from None
    if not isinstance(value, dict):
        raise SettingsInvalid(f"{option}: {text!r} is no JSON object. Give one such as '{{\"a\": 1}}'.")
    return value
