"""What the demo asks, of whom, and which draft the person sends back."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter


class Request(BaseModel):
    """A service request; `send_back` is the comment with which the first draft is sent back, if it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: str
    requester: str
    send_back: str | None = None

    @staticmethod
    def agents(path: Path) -> list[dict[str, Any]]:
        """The agents of the example, from its YAML file."""
        return TypeAdapter(list[dict[str, Any]]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))


def ready_requests() -> list[Request]:
    """The five requests about this project's own documents."""
    path = Path(__file__).with_name("requests.yaml")
    return TypeAdapter(list[Request]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))


def with_words(words: str) -> Request:
    """A request of the user's own."""
    return Request(request=words, requester="you@example.com")
