"""Where a running fleet is and the key to it: DATA/connection.json, or FLEET_API_URL and FLEET_API_KEY."""

import json
import os
from pathlib import Path

from pydantic import BaseModel, ValidationError

from kernel.errors import SettingsInvalid

DEFAULT_DATA = Path(".fleet")


class Connection(BaseModel):
    """The content of connection.json; only its owner can read the file."""

    api_url: str
    api_key: str
    database_url: str


def connection_path(data: Path) -> Path:
    """Where the file is."""
    return data / "connection.json"


def write_connection(data: Path, connection: Connection) -> None:
    """Write the file, readable by its owner alone from its first byte on."""
    path = connection_path(data)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(connection.model_dump_json(indent=2) + "\n")


def read_connection(data: Path) -> Connection | None:
    """The connection that an earlier `fleet up` wrote, or None. Raises SettingsInvalid on a damaged file."""
    path = connection_path(data)
    if not path.is_file():
        return None
    try:
        return Connection.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, ValidationError):
        raise SettingsInvalid(f"{path} is damaged. Delete it and run `fleet up` again.") from None


def api_and_key(data: Path) -> tuple[str, str]:
    """URL and key of the API to speak to. Raises SettingsInvalid where neither environment nor file tells."""
    url, key = os.environ.get("FLEET_API_URL"), os.environ.get("FLEET_API_KEY")
    if url and key:
        return url, key
    connection = read_connection(data)
    if connection is None:
        raise SettingsInvalid(
            f"no fleet is known: {connection_path(data)} is not there. Run `fleet up`, name its --data folder, "
            "or set FLEET_API_URL and FLEET_API_KEY."
        )
    return connection.api_url, connection.api_key
