"""The server: one small handler for each endpoint, and every error in OpenAI's shape."""

import json
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from offline_model import MODEL_ID, RELEASED_AT
from offline_model.conversation import Conversation
from offline_model.decide import Decision, decide
from offline_model.protocol.chat import chunks, completion, read_chat
from offline_model.protocol.embeddings import embeddings
from offline_model.protocol.errors import ApiError
from offline_model.protocol.reply import reply_to
from offline_model.protocol.response_events import events, response
from offline_model.protocol.responses import read_responses
from offline_model.schema.values import SchemaUnmet


def create_app() -> Starlette:
    """Return the ASGI application with the endpoints under `/v1`. It keeps no state and needs no key."""
    return Starlette(
        routes=[
            Route("/v1/models", _models, methods=["GET"]),
            Route("/v1/chat/completions", _chat, methods=["POST"]),
            Route("/v1/responses", _responses, methods=["POST"]),
            Route("/v1/embeddings", _embeddings, methods=["POST"]),
        ],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error, Exception: _unforeseen},
    )


async def _models(_: Request) -> Response:
    model = {"id": MODEL_ID, "object": "model", "created": RELEASED_AT, "owned_by": "process-fleet"}
    return JSONResponse({"object": "list", "data": [model]})


async def _chat(http: Request) -> Response:
    body = await _json(http)
    request, conversation = read_chat(body)
    decision = await _decision(conversation)
    reply = reply_to(body, conversation, decision, request.token_limit, request.stops)
    if request.stream:
        options = request.stream_options
        return _stream(chunks(reply, include_usage=bool(options and options.include_usage)))
    return JSONResponse(completion(reply))


async def _responses(http: Request) -> Response:
    body = await _json(http)
    request, conversation = read_responses(body)
    decision = await _decision(conversation)
    reply = reply_to(body, conversation, decision, request.max_output_tokens)
    if request.stream:
        return _stream(events(reply, body, request.metadata or {}))
    return JSONResponse(response(reply, body, request.metadata or {}))


async def _embeddings(http: Request) -> Response:
    body = await _json(http)
    return JSONResponse(await run_in_threadpool(embeddings, body))


async def _decision(conversation: Conversation) -> Decision:
    """Return the model's next step, worked out beside the event loop because it is all computing."""
    try:
        return await run_in_threadpool(decide, conversation)
    except SchemaUnmet as unmet:
        raise ApiError(400, str(unmet), unmet.field, "invalid_schema") from None


async def _json(http: Request) -> Any:
    try:
        return json.loads(await http.body())
    except ValueError as error:
        raise ApiError(400, f"The body is not valid JSON ({error}): send a JSON object.") from None


def _stream(sent: Any) -> StreamingResponse:
    return StreamingResponse(sent, media_type="text/event-stream", headers={"cache-control": "no-cache"})


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status)


async def _http_error(http: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        unknown = ApiError(
            404, f"Unknown request URL: {http.method} {http.url.path}. See GET /v1/models.", code="unknown_url"
        )
        return JSONResponse(unknown.body(), 404)
    refusal = ApiError(error.status_code, f"{http.method} {http.url.path}: {error.detail}.")
    return JSONResponse(refusal.body(), error.status_code, error.headers)


async def _unforeseen(_: Request, error: Exception) -> Response:
    failure = ApiError(500, f"The offline model failed: {type(error).__name__}. This is a bug of the model.")
    return JSONResponse(failure.body(), 500)
