"""Real servers on loopback that do as they are told, and remember what they were sent."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """An ASGI application. `answers`: (status, headers, content) for the next requests; then 204 for ever. A status of
    0 is no answer at all."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def then(self, status: int, headers: dict[str, str] | None = None, content: Any = None) -> None:
        """Answer one request so, after those that were told before."""
        self.answers.append((status, headers or {}, b"" if content is None else json.dumps(content).encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.received.append(Received(scope["path"], dict(request.headers), await request.body()))
        self.arrived.set()
        status, headers, content = self.answers.pop(0) if self.answers else (204, {}, b"")
        if status == 0:
            await asyncio.Event().wait()
        await Response(content or None, status, headers)(scope, receive, send)
