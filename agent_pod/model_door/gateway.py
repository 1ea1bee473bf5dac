"""The model endpoint of orchestrators: passes OpenAI's protocol through, with the real key, and journals each call.

The protocol is OpenAI's HTTP API (chat completions, responses, embeddings, models; server-sent events for streams).
Answers and errors go back as the upstream gave them; a call is in the journal before its answer is handed over, or,
for a stream, before the stream ends. What an earlier run of the task asked is answered from the journal.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
from pydantic_core import PydanticSerializationError, from_json, to_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from agent_pod.calls.journal import Asked, Journal
from agent_pod.calls.limiter import LimitReached
from agent_pod.model_door.model_stream import StreamedAnswer
from agent_pod.model_door.stream_replay import chat_events, response_events
from agent_pod.model_door.upstream_retry import Patience, body_of
from agent_pod.run.call_failures import CallFailure, failure_in, failure_of, unreachable
from agent_pod.run.current_task import Desk
from kernel.errors import FleetError, InvalidInput, LeaseLost

logger = logging.getLogger(__name__)
_KINDS = {"chat/completions": "chat", "responses": "responses", "embeddings": "embeddings"}
_LARGEST_BODY = 32 * 1024 * 1024
_PASSED_HEADERS = ("content-type", "retry-after", "retry-after-ms", "x-request-id")
_SHOULD_RETRY = "x-should-retry"  # how OpenAI's client is told


class ModelGateway:
    """Routes under /v1. `upstream` has base URL and Authorization header of the real endpoint.

    `patience`: how long a call waits for one that is overloaded or away.
    """

    def __init__(self, desk: Desk, upstream: httpx.AsyncClient, journal: Journal, patience: Patience):
        self._desk = desk
        self._upstream = upstream
        self._journal = journal
        self._patience = patience
        self._urls = {path: upstream.build_request("POST", path).url for path in _KINDS}  # as httpx joins them, once
        self._endings: set[asyncio.Task[None]] = set()

    @property
    def routes(self) -> list[Route]:
        """The endpoint's routes."""
        calls = [Route(f"/v1/{path}", self._call, methods=["POST"], name=kind) for path, kind in _KINDS.items()]
        return [*calls, Route("/v1/models", self._models, methods=["GET"])]

    async def _models(self, request: Request) -> Response:
        if self._desk.find(request.headers.get("authorization")) is None:
            return _error(401, "The token is not that of the task at hand.", "invalid_api_key")
        try:
            return self._passed(await self._upstream.get("models"))
        except httpx.HTTPError as error:
            return _unreachable(error)

    async def _call(self, request: Request) -> Response:
        started = time.monotonic()
        work = self._desk.find(request.headers.get("authorization"))
        if work is None:
            return _error(401, "The token is not that of the task at hand.", "invalid_api_key")
        path = request.url.path.removeprefix("/v1/")
        try:
            body = await _read_body(request)
        except _BodyTooLarge:
            return _error(413, f"The request body has more than {_LARGEST_BODY} bytes.", "request_too_large")
        except (ValueError, RecursionError) as error:
            return _error(400, f"The request body cannot be read: {error}", "invalid_request_error")
        try:
            asked = await self._journal.ask(work, _KINDS[path], str(body.get("model")), body, started)
            return await self._answer(_Call(path, body, asked))
        except FleetError as error:
            return _refused(error)

    async def _answer(self, call: "_Call") -> Response:
        if call.asked.is_answered:
            return _replayed(call, (await self._journal.replay(call.asked))[0])
        try:
            with call.asked.work.calls.run():
                return await (self._stream(call) if call.body.get("stream") else self._plain(call))
        except httpx.HTTPError as error:
            await self._record(call, {"error": str(error)}, False, unreachable(error))
            return self._given_up(_unreachable(error))

    async def _plain(self, call: "_Call") -> Response:
        answer = await self._send(call, call.body, stream=False)
        if not answer.is_success:
            return await self._failed(call, answer)
        response = self._read(answer)
        await self._record(call, response, True, failure_in(response, finished=True))
        return self._passed(answer)

    async def _stream(self, call: "_Call") -> Response:
        body, options = dict(call.body), call.body.get("stream_options") or {}
        if call.path == "chat/completions" and isinstance(options, dict):
            body["stream_options"] = {**options, "include_usage": True}
        answer = await self._send(call, body, stream=True)
        if not answer.is_success:
            return await self._failed(call, answer)
        passing = self._pass_on(call, answer, StreamedAnswer(hide_usage=not call.wants_usage))
        return _Passing(passing, media_type="text/event-stream")

    async def _send(self, call: "_Call", body: dict[str, Any], stream: bool) -> httpx.Response:
        work = call.asked.work
        still_ours = partial(self._journal.check_lease, work)
        url, content = self._urls[call.path], _written(body)
        return await self._patience.send(self._upstream, url, content, stream, work.ended, still_ours)

    async def _failed(self, call: "_Call", answer: httpx.Response) -> Response:
        response = self._read(answer)
        await self._record(call, response, False, failure_of(answer.status_code, answer.headers, response))
        return self._given_up(self._passed(answer))

    def _given_up(self, response: Response) -> Response:
        if self._patience.seconds:
            response.headers[_SHOULD_RETRY] = "false"
        return response

    async def _pass_on(self, call: "_Call", answer: httpx.Response, streamed: StreamedAnswer) -> AsyncGenerator[bytes]:
        # The journal is written before the last event goes out. An orchestrator that goes away cancels whatever is
        # awaited here, so the end is a task of its own.
        last = b""
        with call.asked.work.calls.run():
            try:
                async for data in answer.aiter_bytes():
                    events = streamed.feed(data)
                    if streamed.finished:
                        last += events
                    elif events:
                        yield events
                last += streamed.rest()
            finally:
                ending = asyncio.create_task(self._end_stream(call, answer, streamed))
                self._endings.add(ending)
                ending.add_done_callback(self._ended)
                await asyncio.shield(ending)
        yield last

    async def _end_stream(self, call: "_Call", answer: httpx.Response, streamed: StreamedAnswer) -> None:
        await answer.aclose()
        failure = failure_in(streamed.whole, streamed.finished)
        await self._record(call, streamed.whole, streamed.finished, failure, streamed.understood)

    def _ended(self, ending: "asyncio.Task[None]") -> None:
        self._endings.discard(ending)
        error = None if ending.cancelled() else ending.exception()
        if isinstance(error, LeaseLost):
            logger.info("a stream is broken off: %s", error)
        elif isinstance(error, FleetError):
            logger.warning("the end of a stream could not be recorded: %s", error)
        elif error is not None:
            logger.error("the end of a stream could not be recorded", exc_info=error)

    async def _record(
        self, call: "_Call", response: Any, ok: bool, failure: CallFailure | None, understood: bool = True
    ) -> None:
        call.asked.work.troubles.note(call.asked.started, failure)
        whole = understood and _is_whole(call.asked.kind, response)
        await self._journal.model(call.asked, response, ok, whole)

    def _read(self, answer: httpx.Response) -> Any:
        return body_of(self._without_key(answer))

    def _passed(self, answer: httpx.Response) -> Response:
        headers = {name: answer.headers[name] for name in _PASSED_HEADERS if name in answer.headers}
        return Response(self._without_key(answer), status_code=answer.status_code, headers=headers)

    def _without_key(self, answer: httpx.Response) -> bytes:
        # Some endpoints quote the key that they refuse.
        key = self._upstream.headers["authorization"].partition(" ")[2]
        return answer.content if answer.is_success else answer.content.replace(key.encode(), b"[key]")


class _Passing(StreamingResponse):
    """A stream that may break off. Then its connection is closed without an end, which nobody can take for one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except httpx.HTTPError as error:
            logger.warning("the model endpoint broke a stream off: %s: %s", type(error).__name__, error)
        except FleetError:
            pass  # its ending has said why


class _BodyTooLarge(Exception):
    pass


@dataclass(frozen=True)
class _Call:
    path: str
    body: dict[str, Any]
    asked: Asked

    @property
    def wants_usage(self) -> bool:
        """Whether the orchestrator asked for the chunk with the token counts, or may have."""
        options = self.body.get("stream_options") or {}
        return self.path != "chat/completions" or not isinstance(options, dict) or bool(options.get("include_usage"))


def _replayed(call: _Call, answer: dict[str, Any]) -> Response:
    if not call.body.get("stream"):
        return JSONResponse(answer)
    responses = call.asked.kind == "responses"
    events = response_events(answer) if responses else chat_events(answer, call.wants_usage)
    return Response(events, media_type="text/event-stream")


def _is_whole(kind: str, answer: Any) -> bool:
    """Whether an answer is one that can be given again."""
    if not isinstance(answer, dict) or answer.get("error"):
        return False
    if kind == "responses":
        return answer.get("status", "completed") in ("completed", "incomplete")
    return bool(answer.get("choices" if kind == "chat" else "data"))


async def _read_body(request: Request) -> dict[str, Any]:
    """The body as an object that can be written again. Raises ValueError, RecursionError and _BodyTooLarge."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > _LARGEST_BODY:
            raise _BodyTooLarge
    body = _parsed(content)
    if not isinstance(body, dict):
        raise ValueError("the body is no JSON object")
    return body


def _parsed(content: bytearray) -> Any:
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError:  # or it is nested deeper than the fast parser goes
        body = json.loads(content)
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        return body


def _written(body: dict[str, Any]) -> bytes:
    # Written anew, not passed on as it came: of a key that is there twice, the endpoint is to see what was judged here.
    try:
        return to_json(body)
    except PydanticSerializationError:
        return json.dumps(body, ensure_ascii=False).encode()


def _refused(error: FleetError) -> Response:
    if isinstance(error, LeaseLost):
        return _error(409, "The lease of this task is lost; stop.", "lease_lost")
    if isinstance(error, LimitReached):
        return _error(403, str(error), "limit_reached")
    if isinstance(error, InvalidInput):
        return _error(400, f"The call could not be recorded: {error}", "invalid_request_error")
    return _error(503, "The call could not be recorded: the database is away.", "journal_unavailable")


def _unreachable(error: httpx.HTTPError) -> Response:
    return _error(502, f"The model endpoint cannot be reached: {type(error).__name__}", "upstream_unreachable")


def _error(status: int, message: str, code: str) -> JSONResponse:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return JSONResponse({"error": {"message": message, "type": kind, "param": None, "code": code}}, status)


def open_upstream(base_url: str, api_key: str) -> httpx.AsyncClient:
    """A client for the real model endpoint. Answers may take ten minutes."""
    return httpx.AsyncClient(
        base_url=base_url.rstrip("/") + "/",
        headers={"Authorization": f"Bearer {api_key}"},
        timeout=httpx.Timeout(600, connect=10),
        limits=httpx.Limits(max_connections=32),
    )
