"""The model endpoint of orchestrators: passes OpenAI's protocol through, with the real key, and records each call.

The protocol is OpenAI's HTTP API (chat completions, responses, embeddings, models; server-sent events for streams).
Answers and errors go back as the upstream gave them; a call is in the journal before its answer is handed over, or,
for a stream, before the stream ends.
"""

import time
from collections.abc import AsyncGenerator
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from agent_pod.call_record import CallRecorder
from agent_pod.desk import Desk, Work
from agent_pod.model_stream import StreamedAnswer
from kernel.errors import DatabaseUnavailable, LeaseLost

_KINDS = {"chat/completions": "chat", "responses": "responses", "embeddings": "embeddings"}
_PASSED_HEADERS = ("content-type", "retry-after", "x-request-id")


class ModelGateway:
    """Routes under /v1. `upstream` has base URL and Authorization header of the real endpoint."""

    def __init__(self, desk: Desk, upstream: httpx.AsyncClient, recorder: CallRecorder):
        self._desk = desk
        self._upstream = upstream
        self._recorder = recorder

    @property
    def routes(self) -> list[Route]:
        """The endpoint's routes."""
        calls = [Route(f"/v1/{path}", self._call, methods=["POST"], name=kind) for path, kind in _KINDS.items()]
        return [*calls, Route("/v1/models", self._models, methods=["GET"])]

    async def _models(self, request: Request) -> Response:
        if self._desk.find(request.headers.get("authorization")) is None:
            return _error(401, "The token is not that of the task at hand.", "invalid_api_key")
        try:
            return _passed(await self._upstream.get("models"))
        except httpx.HTTPError as error:
            return _unreachable(error)

    async def _call(self, request: Request) -> Response:
        started = time.monotonic()
        work = self._desk.find(request.headers.get("authorization"))
        if work is None:
            return _error(401, "The token is not that of the task at hand.", "invalid_api_key")
        path = request.url.path.removeprefix("/v1/")
        try:
            body = await request.json()
            if not isinstance(body, dict):
                raise ValueError("the body is no JSON object")
        except (ValueError, RecursionError) as error:
            return _error(400, f"The request body cannot be read: {error}", "invalid_request_error")
        try:
            return await self._ask(work, path, body, started)
        except LeaseLost:
            return _error(409, "The lease of this task is lost; stop.", "lease_lost")
        except DatabaseUnavailable:
            return _error(503, "The call could not be recorded: the database is away.", "journal_unavailable")

    async def _ask(self, work: Work, path: str, body: dict[str, Any], started: float) -> Response:
        try:
            passing = self._stream if body.get("stream") else self._plain
            return await passing(work, path, body, started)
        except httpx.HTTPError as error:
            await self._recorder.model(work, _KINDS[path], body, {"error": str(error)}, False, started)
            return _unreachable(error)

    async def _plain(self, work: Work, path: str, body: dict[str, Any], started: float) -> Response:
        answer = await self._upstream.post(path, json=body)
        await self._recorder.model(work, _KINDS[path], body, _read(answer), answer.is_success, started)
        return _passed(answer)

    async def _stream(self, work: Work, path: str, body: dict[str, Any], started: float) -> Response:
        asked = dict(body)
        hide_usage = False
        if path == "chat/completions":
            options = dict(body.get("stream_options") or {})
            hide_usage = not options.get("include_usage")
            asked["stream_options"] = {**options, "include_usage": True}
        answer = await self._upstream.send(self._upstream.build_request("POST", path, json=asked), stream=True)
        if not answer.is_success:
            await answer.aread()
            await self._recorder.model(work, _KINDS[path], body, _read(answer), False, started)
            return _passed(answer)
        streamed = StreamedAnswer(hide_usage)
        return StreamingResponse(
            self._pass_on(work, path, body, started, answer, streamed), media_type="text/event-stream"
        )

    async def _pass_on(
        self,
        work: Work,
        path: str,
        body: dict[str, Any],
        started: float,
        answer: httpx.Response,
        streamed: StreamedAnswer,
    ) -> AsyncGenerator[bytes]:
        # The journal is written before the last event goes out, also when the upstream or the orchestrator breaks off.
        last = b""
        try:
            async for data in answer.aiter_bytes():
                events = streamed.feed(data)
                if streamed.finished:
                    last += events
                elif events:
                    yield events
        finally:
            await answer.aclose()
            await self._recorder.model(work, _KINDS[path], body, streamed.whole, streamed.finished, started)
        yield last


def _read(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return {"text": answer.text[:100_000]}


def _passed(answer: httpx.Response) -> Response:
    headers = {name: answer.headers[name] for name in _PASSED_HEADERS if name in answer.headers}
    return Response(answer.content, status_code=answer.status_code, headers=headers)


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
