"""A chat completions server that answers from a script, since a paid model cannot be had in a test."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback_server import serving
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Reply = tuple[int, str]
"""HTTP status and body."""


def says(text: str | None, finish_reason: str = "stop", **message: Any) -> Reply:
    """The model answers with `text`."""
    return _completion({"role": "assistant", "content": text, **message}, finish_reason)


def says_json(**output: Any) -> Reply:
    """The model answers with an object."""
    return says(json.dumps(output))


def calls(name: str, arguments: dict[str, Any] | str, call_id: str = "call-1") -> Reply:
    """The model asks for one tool."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}
    return _completion({"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls")


def fails(status: int, message: str) -> Reply:
    """The endpoint refuses with an error in the shape OpenAI gives it."""
    return status, json.dumps({"error": {"message": message, "type": "error", "code": None}})


def _completion(message: dict[str, Any], finish_reason: str) -> Reply:
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return 200, json.dumps(body)


@dataclass
class ScriptedModel:
    """What the server will say next, and what it was sent."""

    url: str = ""
    script: list[Reply] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    tokens_seen: list[str] = field(default_factory=list)

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The request bodies, parsed."""
        return [json.loads(body) for body in self.bodies]


@contextmanager
def scripted_model() -> Iterator[ScriptedModel]:
    """Serve the script on a free port; a request beyond its end gets a 400."""
    model = ScriptedModel()

    async def complete(request: Request) -> Response:
        model.bodies.append(await request.body())
        model.tokens_seen.append(request.headers["authorization"].removeprefix("Bearer "))
        status, body = model.script.pop(0) if model.script else fails(400, "the script has ended")
        return Response(body, status, media_type="application/json")

    with serving(Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])) as base:
        model.url = f"{base}/v1"
        yield model
