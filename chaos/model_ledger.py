"""The model endpoint of a run, and its ledger: each request with who asked, and when it was answered in full (paid).

`python -m chaos.model_ledger --port P --book FILE --seed S --faults 429,500,drop,hang`. It answers each prompt with a
text made of the prompt alone. What fails is decided by dice that are thrown for the prompt and for how often it was
asked, so it depends on the seed and not on the order in which requests come.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from chaos.process_reading import answer_to
from chaos.server_kit import fate, open_book, read_arguments

CHANCES = {"429": 0.03, "500": 0.03, "drop": 0.03, "hang": 0.006}
_HANG_SECONDS = 3600
_TABLE = """create table if not exists request (id integer primary key, caller text, prompt text, fate text,
            arrived real, paid real)"""


class Ledger:
    """The endpoint: `seed` throws the dice for `faults`, a subset of CHANCES."""

    def __init__(self, file: str, seed: str, faults: list[str]):
        self._book = open_book(file, _TABLE)
        self._seed = seed
        self._faults = faults
        self._asked: Counter[str] = Counter()

    async def complete(self, request: Request) -> Response:
        """POST /v1/chat/completions."""
        body = await request.json()
        prompt = body["messages"][-1]["content"]
        self._asked[prompt] += 1
        dice = random.Random(f"{self._seed} {prompt} {self._asked[prompt]}")
        thrown = fate(dice, CHANCES, self._faults)
        row = self._book.execute(
            "insert into request (caller, prompt, fate, arrived) values (?, ?, ?, ?) returning id",
            [request.headers["authorization"].removeprefix("Bearer "), prompt, thrown, time.time()],
        ).fetchone()
        if thrown == "hang":
            await asyncio.sleep(_HANG_SECONDS)
        await asyncio.sleep(dice.uniform(0.01, 0.08))
        if thrown in ("429", "500"):
            return JSONResponse({"error": {"message": f"{thrown} by dice"}}, int(thrown), {"retry-after": "1"})
        if body.get("stream"):
            return StreamingResponse(self._stream(row[0], prompt, thrown == "drop"), media_type="text/event-stream")
        if thrown == "drop":
            return StreamingResponse(_broken(b'{"choices": [{"mess'), media_type="application/json")
        self._pay(row[0])
        return JSONResponse(_head(prompt) | {"choices": [_choice("message", answer_to(prompt))], "usage": _usage()})

    async def _stream(self, row_id: int, prompt: str, drops: bool) -> AsyncGenerator[bytes]:
        words = answer_to(prompt).split(" ")
        for number, word in enumerate(words):
            if drops and number == len(words) - 1:
                raise ConnectionAbortedError("dropped by dice")
            yield _event(_head(prompt) | {"choices": [_choice("delta", word if number == 0 else f" {word}")]})
            await asyncio.sleep(0.005)
        self._pay(row_id)
        yield _event(_head(prompt) | {"choices": [], "usage": _usage()}) + b"data: [DONE]\n\n"

    def _pay(self, row_id: int) -> None:
        self._book.execute("update request set paid = ? where id = ?", [time.time(), row_id])


async def _broken(first: bytes) -> AsyncGenerator[bytes]:
    yield first
    raise ConnectionAbortedError("dropped by dice")


def _head(prompt: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{abs(hash(prompt))}", "object": "chat.completion", "created": 0, "model": "ledger"}


def _choice(part: str, content: str) -> dict[str, Any]:
    return {"index": 0, part: {"role": "assistant", "content": content}, "finish_reason": "stop"}


def _usage() -> dict[str, int]:
    return {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


async def _embed(request: Request) -> Response:
    texts = (await request.json())["input"]
    vectors = [{"index": n, "object": "embedding", "embedding": [1.0] + [0.0] * 1535} for n, _ in enumerate(texts)]
    return JSONResponse({"object": "list", "data": vectors, "model": "ledger", "usage": _usage()})


def main() -> None:
    """Answer until killed."""
    given = read_arguments("chaos.model_ledger")
    ledger = Ledger(given.book, given.seed, given.faults)
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", ledger.complete, methods=["POST"]),
            Route("/v1/embeddings", _embed, methods=["POST"]),
            Route("/v1/models", lambda request: JSONResponse({"object": "list", "data": []})),
        ]
    )
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="critical", access_log=False)


if __name__ == "__main__":
    main()
