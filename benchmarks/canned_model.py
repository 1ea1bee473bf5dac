"""A model endpoint that thinks no time: it answers each chat with a text that only depends on the chat's length."""

import random
from functools import lru_cache

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def canned_model() -> Starlette:
    """Serves POST /v1/chat/completions. An answer is as long as the last message of its request."""
    return Starlette(routes=[Route("/v1/chat/completions", _answer, methods=["POST"])])


async def _answer(request: Request) -> JSONResponse:
    messages = (await request.json())["messages"]
    said = {"role": "assistant", "content": _text(len(messages), len(messages[-1]["content"]))}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return JSONResponse(
        {"id": f"chat-{len(messages)}", "object": "chat.completion", "created": 0, "model": "bench"}
        | {"choices": [choice], "usage": usage}
    )


@lru_cache(maxsize=1000)
def _text(number: int, characters: int) -> str:
    return "".join(random.Random(number).choices("abcdefghijklmnopqrstuvwxyz     ", k=characters))
