"""A model server that keeps a ledger: what it was asked, and how often it answered each. It can hold an answer back."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CHAT, EMBEDDING = "chat", "embedding"
Decide = Callable[[dict[str, Any]], dict[str, Any]]
"""From a chat completion request to the message that answers it."""


@dataclass
class Entry:
    """One request. `release` lets its answer go; a dropped one is never answered."""

    body: bytes
    release: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: bool = False


class LedgerModel:
    """Serve `app`. `entries` are this run's requests by kind, `answered` how often each body of a chat was answered.

    `hold` says which request of which kind (counted from 1) is kept waiting until it is released.
    """

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self._arrivals = asyncio.Condition()
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/embeddings", self._embeddings, methods=["POST"]),
            ]
        )
        self.begin()

    def begin(self) -> None:
        """A new run: nothing was asked, nothing is held."""
        self.hold: Callable[[str, int], bool] = lambda kind, number: False
        self.entries: dict[str, list[Entry]] = {CHAT: [], EMBEDDING: []}
        self.answered: Counter[bytes] = Counter()

    async def arrived(self, kind: str, number: int) -> Entry:
        """The request of that number, once it is there."""
        async with self._arrivals, asyncio.timeout(120):
            await self._arrivals.wait_for(lambda: len(self.entries[kind]) >= number)
        return self.entries[kind][number - 1]

    def drop_held(self) -> None:
        """Whoever asked is gone; from now on nothing is held."""
        self.hold = lambda kind, number: False
        for entry in (*self.entries[CHAT], *self.entries[EMBEDDING]):
            if not entry.release.is_set():
                entry.dropped = True
                entry.release.set()

    async def _chat(self, request: Request) -> Response:
        entry = await self._enter(CHAT, await request.body())
        if entry.dropped:
            return Response(status_code=503)
        self.answered[entry.body] += 1
        message = {"role": "assistant", "content": None, **self._decide(json.loads(entry.body))}
        ending = "tool_calls" if message.get("tool_calls") else "stop"
        return JSONResponse(
            {
                "id": "answer",
                "object": "chat.completion",
                "created": 0,
                "model": "ledger",
                "choices": [{"index": 0, "message": message, "finish_reason": ending}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            }
        )

    async def _embeddings(self, request: Request) -> Response:
        entry = await self._enter(EMBEDDING, await request.body())
        texts = json.loads(entry.body)["input"]
        count = 1 if isinstance(texts, str) else len(texts)
        vector = [1.0] + [0.0] * 1535
        data = [{"object": "embedding", "index": index, "embedding": vector} for index in range(count)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return JSONResponse({"object": "list", "model": "ledger", "data": data, "usage": usage})

    async def _enter(self, kind: str, body: bytes) -> Entry:
        entry = Entry(body)
        async with self._arrivals:
            self.entries[kind].append(entry)
            held = self.hold(kind, len(self.entries[kind]))
            self._arrivals.notify_all()
        if held:
            await entry.release.wait()
        else:
            entry.release.set()
        return entry
