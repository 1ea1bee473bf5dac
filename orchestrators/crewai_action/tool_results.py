"""What a tool returned, from the text that CrewAI hands on."""

import json
from typing import Any


def structured(said: Any) -> dict[str, Any] | None:
    """The object that the text `said` holds as JSON; None for an error and for any other text."""
    if not isinstance(said, str):
        return None
    try:
        found = json.loads(said)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
