"""The tool server of a run: a real MCP server that writes each call with its idempotency key into its own database.

`python -m chaos.effects_server --port P --book FILE --seed S --faults effect_500,effect_drop,effect_hang`. Its
tool `note` is idempotent by the idempotency key, as a careful server is: the same key again changes nothing more.
`charge` is not: each call is one more effect, whatever its key. Faults are decided by dice thrown for what a call is
about and for how often it came: a refusal before the effect, or an answer that breaks off or never comes after it.
"""

import asyncio
import json
import random
import time
from collections import Counter
from pathlib import Path

import mcp_types as types
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chaos.process_reading import receipt_of
from chaos.server_kit import ANSWER, fate, open_book, read_arguments, read_book

CHANCES = {"effect_500": 0.04, "effect_drop": 0.04, "effect_hang": 0.01}
SERVER = "effects"
_HANG_SECONDS = 3600
_KEY = "processfleet/idempotency-key"
_TABLES = """
    create table if not exists call (tool text, key text, idempotency_key text, fate text, at real);
    create table if not exists effect (tool text, key text, idempotency_key text, at real);
    create unique index if not exists once on effect (idempotency_key) where tool = 'note';
"""


class Effects:
    """The tools over the database `file`."""

    def __init__(self, file: str):
        self._book = open_book(file, _TABLES)
        self.mcp = MCPServer(SERVER)
        self.mcp.add_tool(self.note, name="note", annotations=types.ToolAnnotations(idempotent_hint=True))
        self.mcp.add_tool(self.charge, name="charge", annotations=types.ToolAnnotations(idempotent_hint=False))

    async def note(self, key: str, ctx: Context) -> dict[str, str]:
        """Note `key`, once for each idempotency key."""
        return self._do("note", key, ctx)

    async def charge(self, key: str, ctx: Context) -> dict[str, str]:
        """Charge `key`, with every call."""
        return self._do("charge", key, ctx)

    def came(self, tool: str, key: str, idempotency_key: str, fate: str) -> None:
        """Write down that a call came."""
        self._book.execute("insert into call values (?, ?, ?, ?, ?)", [tool, key, idempotency_key, fate, time.time()])

    def times(self, key: str) -> int:
        """How often a call about `key` came."""
        return self._book.execute("select count(*) from call where key = ?", [key]).fetchone()[0]

    def _do(self, tool: str, key: str, ctx: Context) -> dict[str, str]:
        given = (ctx.request_context.meta or {}).get(_KEY)
        self._book.execute("insert or ignore into effect values (?, ?, ?, ?)", [tool, key, given, time.time()])
        return {"receipt": receipt_of(key)}


class Unreliable:
    """ASGI middleware that throws the dice for each tool call."""

    def __init__(self, app: ASGIApp, effects: Effects, seed: str, faults: list[str]):
        self._app = app
        self._effects = effects
        self._seed = seed
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or not."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        thrown = self._fate(body)
        if thrown == "effect_500":
            await PlainTextResponse("500 by dice", 500)(scope, receive, send)
            return
        held = thrown in ("effect_drop", "effect_hang")
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive_body() -> Message:
            return next(given, None) or await receive()

        async def keep(message: Message) -> None:
            if not held:
                await send(message)

        await self._app(scope, receive_body, keep)
        if thrown == "effect_hang":
            await asyncio.sleep(_HANG_SECONDS)
        if held:
            raise ConnectionAbortedError("dropped by dice")  # the server closes the connection without an answer

    def _fate(self, body: bytes) -> str:
        asked = json.loads(body)
        if asked.get("method") != "tools/call":
            return ANSWER
        call = asked["params"]
        key = call["arguments"]["key"]
        dice = random.Random(f"{self._seed} {key} {self._effects.times(key)}")
        thrown = fate(dice, CHANCES, self._faults)
        self._effects.came(call["name"], key, str(call.get("_meta", {}).get(_KEY)), thrown)
        return thrown


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


class EffectsBook:
    """What the effects server's database says, read from outside."""

    def __init__(self, file: Path):
        self._file = file

    def was_done(self, key: str) -> bool:
        """Whether the effect `key` is there."""
        return self.done()[key] > 0

    def done(self) -> Counter[str]:
        """How often each effect is there."""
        return Counter(dict(read_book(self._file, "select key, count(*) from effect group by key")))

    def faults(self) -> Counter[str]:
        """How often each fault was thrown."""
        query = "select fate, count(*) from call where fate <> 'answer' group by fate"
        return Counter(dict(read_book(self._file, query)))


def main() -> None:
    """Answer until killed."""
    given = read_arguments("chaos.effects_server")
    effects = Effects(given.book)
    app = Unreliable(
        effects.mcp.streamable_http_app(stateless_http=True, json_response=True),
        effects,
        given.seed,
        given.faults,
    )
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="critical", access_log=False)


if __name__ == "__main__":
    main()
