"""A stream of server-sent events (WHATWG HTML, section 9.2) that a test reads."""

import asyncio
import json
from typing import Any

import httpx


class Following:
    """The events of an open stream."""

    def __init__(self, answer: httpx.Response):
        self._lines = answer.aiter_lines()

    async def next(self) -> dict[str, Any]:
        """The next event: id, event and data."""
        event: dict[str, Any] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name in ("id", "event", "data"):
                    event[name] = json.loads(value) if name == "data" else value
                elif not line and "data" in event:
                    return event
        raise AssertionError("the stream has ended")

    async def ended(self) -> bool:
        async with asyncio.timeout(20):
            async for _ in self._lines:
                pass
        return True
