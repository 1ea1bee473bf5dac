"""The model endpoint: OpenAI's own client works through it unchanged, and every call is in the journal."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

OpenEndpoint = Any
MESSAGES: list[Any] = [{"role": "user", "content": "Say where the key is. The key is under the mat."}]


def client(endpoint: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=endpoint.url, api_key=endpoint.token, max_retries=0)


async def test_a_chat_completion_passes_through_and_is_recorded(open_endpoint: OpenEndpoint, offline_url: str) -> None:
    endpoint = await open_endpoint(offline_url)
    async with client(endpoint) as model:
        answer = await model.chat.completions.create(model="gpt-5-mini", messages=MESSAGES)
    [call] = await endpoint.calls()
    assert answer.usage
    assert (call.kind, call.name, call.outcome) == ("chat", "offline-extractive-1", "ok")
    assert (call.input_tokens, call.output_tokens) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert call.cost_usd == 0 and call.latency_ms >= 0
    assert call.request["messages"] == MESSAGES
    assert call.response["choices"][0]["message"]["content"] == answer.choices[0].message.content


async def test_a_stream_passes_through_and_is_recorded_whole(open_endpoint: OpenEndpoint, offline_url: str) -> None:
    endpoint = await open_endpoint(offline_url)
    text = ""
    async with client(endpoint) as model:
        async for chunk in await model.chat.completions.create(model="m", messages=MESSAGES, stream=True):
            assert chunk.choices, "the orchestrator did not ask for a usage chunk"
            text += chunk.choices[0].delta.content or ""
    [call] = await endpoint.calls()
    assert text and call.response["choices"][0]["message"]["content"] == text
    assert call.output_tokens > 0 and call.outcome == "ok"


async def test_usage_is_passed_on_where_it_was_asked_for(open_endpoint: OpenEndpoint, offline_url: str) -> None:
    endpoint = await open_endpoint(offline_url)
    async with client(endpoint) as model:
        chunks = [
            chunk
            async for chunk in await model.chat.completions.create(
                model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
            )
        ]
    assert chunks[-1].usage and chunks[-1].choices == []


async def test_a_streamed_tool_call_is_recorded_whole(open_endpoint: OpenEndpoint, offline_url: str) -> None:
    endpoint = await open_endpoint(offline_url)
    tool: Any = {
        "type": "function",
        "function": {
            "name": "search_documents",
            "description": "Search the knowledge base",
            "parameters": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
        },
    }
    async with client(endpoint) as model:
        stream = await model.chat.completions.create(
            model="m", stream=True, tools=[tool], messages=[{"role": "user", "content": "Answer: where is the key?"}]
        )
        _ = [chunk async for chunk in stream]
    [call] = await endpoint.calls()
    [asked] = call.response["choices"][0]["message"]["tool_calls"]
    assert asked["function"]["name"] == "search_documents" and "key" in asked["function"]["arguments"]
    assert call.response["choices"][0]["finish_reason"] == "tool_calls"


async def test_responses_and_embeddings_pass_through(open_endpoint: OpenEndpoint, offline_url: str) -> None:
    endpoint = await open_endpoint(offline_url)
    async with client(endpoint) as model:
        plain = await model.responses.create(model="m", input="Where is the key? The key is under the mat.")
        async with model.responses.stream(model="m", input="Where is the key? It is under the mat.") as stream:
            streamed = await stream.get_final_response()
        await model.embeddings.create(model="m", input=["a", "b"])
        assert (await model.models.list()).data
    first, second, third = await endpoint.calls()
    assert first.response["id"] == plain.id and second.response["id"] == streamed.id
    assert [first.kind, second.kind, third.kind] == ["responses", "responses", "embeddings"]
    assert second.output_tokens > 0 and third.input_tokens > 0


async def test_the_upstream_gets_the_real_key_and_the_orchestrator_never_sees_it(
    open_endpoint: OpenEndpoint, scripted_url: str, upstream: Any
) -> None:
    endpoint = await open_endpoint(scripted_url)
    upstream.answer = JSONResponse({"id": "x", "model": "gpt-4.1-mini-2025", "choices": [], "usage": {
        "prompt_tokens": 1000, "completion_tokens": 500}})  # fmt: skip
    answer = await _ask(endpoint)
    [(path, headers, _)] = upstream.asked
    assert (path, headers["authorization"]) == ("/v1/chat/completions", "Bearer sk-the-real-key")
    assert "sk-the-real-key" not in answer.text + str(answer.headers)
    [call] = await endpoint.calls()
    assert float(call.cost_usd or 0) == pytest.approx(1000 * 0.4e-6 + 500 * 1.6e-6)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_errors_come_back_as_the_upstream_gave_them(
    open_endpoint: OpenEndpoint, scripted_url: str, upstream: Any, status: int
) -> None:
    endpoint = await open_endpoint(scripted_url)
    problem = {"error": {"message": "slow down", "type": "rate_limit", "param": None, "code": "busy"}}
    upstream.answer = JSONResponse(problem, status, {"Retry-After": "7", "X-Request-Id": "r-1"})
    for stream in (False, True):
        answer = await _ask(endpoint, stream=stream)
        assert (answer.status_code, answer.json()) == (status, problem)
        assert (answer.headers["retry-after"], answer.headers["x-request-id"]) == ("7", "r-1")
    calls = await endpoint.calls()
    assert [(call.outcome, call.response) for call in calls] == [("error", problem)] * 2


async def test_a_stream_that_breaks_off_is_recorded_as_an_error_with_what_came(
    open_endpoint: OpenEndpoint, scripted_url: str, upstream: Any
) -> None:
    endpoint = await open_endpoint(scripted_url)
    upstream.stream = [b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"half"}}]}\n\n']
    answer = await _ask(endpoint, stream=True)
    assert "half" in answer.text
    [call] = await endpoint.calls()
    assert call.outcome == "error" and call.response["choices"][0]["message"]["content"] == "half"


async def test_an_answer_that_is_not_json_passes_and_is_recorded(
    open_endpoint: OpenEndpoint, scripted_url: str, upstream: Any
) -> None:
    endpoint = await open_endpoint(scripted_url)
    upstream.answer = Response("<html>bad gateway \0</html>", 502, media_type="text/html")
    assert (await _ask(endpoint)).status_code == 502
    [call] = await endpoint.calls()
    assert call.outcome == "error" and "bad gateway" in call.response["text"]


async def test_an_endpoint_that_is_away_is_a_502(open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint("http://127.0.0.1:9/v1")
    answer = await _ask(endpoint)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert [call.outcome for call in await endpoint.calls()] == ["error"]


async def test_only_the_token_of_the_task_at_hand_opens_the_endpoint(
    open_endpoint: OpenEndpoint, offline_url: str
) -> None:
    endpoint = await open_endpoint(offline_url)
    for token in ("none", "wrong", endpoint.token + "x"):
        assert (await _ask(endpoint, token=token)).status_code == 401
    assert (await _ask(endpoint)).status_code == 200
    endpoint.desk.clear()
    assert (await _ask(endpoint)).status_code == 401
    assert len(await endpoint.calls()) == 1


async def test_a_call_for_a_task_that_was_lost_is_refused(
    open_endpoint: OpenEndpoint, offline_url: str, set_clock: Any, start_pod: Any
) -> None:
    endpoint = await open_endpoint(offline_url)
    set_clock(3600)
    other = await start_pod(name="other")
    assert (await other.claim()).task_id == endpoint.task.task_id
    answer = await _ask(endpoint)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "lease_lost")
    assert await endpoint.calls() == []


async def test_a_pod_that_slept_past_its_lease_pays_for_nothing_more(
    open_endpoint: OpenEndpoint, scripted_url: str, upstream: Any, set_clock: Any, start_pod: Any
) -> None:
    endpoint = await open_endpoint(scripted_url)
    endpoint.token = endpoint.desk.open(endpoint.task, is_held=lambda: False).token
    await _ask(endpoint)
    assert len(upstream.asked) == 1, "nobody else has the task: its pod goes on"
    set_clock(3600)
    await (await start_pod(name="other")).claim()
    endpoint.token = endpoint.desk.open(endpoint.task, is_held=lambda: False).token
    assert (await _ask(endpoint)).json()["error"]["code"] == "lease_lost"
    assert len(upstream.asked) == 1


async def test_a_lease_that_is_lost_in_mid_stream_breaks_it_off_and_is_a_line_of_the_log(
    open_endpoint: OpenEndpoint,
    scripted_url: str,
    upstream: Any,
    set_clock: Any,
    start_pod: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def events() -> AsyncIterator[bytes]:
        yield b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"half"}}]}\n\n'
        set_clock(3600)
        await (await start_pod(name="other")).claim()
        yield b"data: [DONE]\n\n"

    caplog.set_level(logging.INFO)
    endpoint = await open_endpoint(scripted_url)
    upstream.answer = StreamingResponse(events(), media_type="text/event-stream")
    with pytest.raises(httpx.RemoteProtocolError):
        await _ask(endpoint, stream=True)
    assert await endpoint.calls() == []
    said = [record for record in caplog.records if record.name in ("agent_pod.model_door.gateway", "uvicorn.error")]
    assert [(r.levelname, r.exc_info) for r in said if "a stream is broken off" in r.getMessage()] == [("INFO", None)]
    assert [r.getMessage() for r in said if r.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("body", [b"not json", b"[1]", b'{"messages": ' + b"[" * 100_000])
async def test_a_body_that_is_no_object_is_a_400(open_endpoint: OpenEndpoint, offline_url: str, body: bytes) -> None:
    endpoint = await open_endpoint(offline_url)
    assert (await _ask(endpoint, content=body)).status_code == 400


async def _ask(endpoint: Any, stream: bool = False, token: str | None = None, content: bytes | None = None) -> Any:
    body = {"json": {"model": "m", "messages": MESSAGES, "stream": stream}} if content is None else {"content": content}
    async with httpx.AsyncClient() as http:
        return await http.post(
            f"{endpoint.url}/chat/completions",
            headers={"Authorization": f"Bearer {endpoint.token if token is None else token}"},
            **body,  # type: ignore[arg-type]
        )


async def test_a_body_that_is_too_large_or_cannot_be_written_again_is_refused(
    open_endpoint: OpenEndpoint, offline_url: str
) -> None:
    endpoint = await open_endpoint(offline_url)
    assert (await _ask(endpoint, content=b'{"x": "' + b"y" * (33 << 20) + b'"}')).status_code == 413
    message = b'{"role": "user", "content": "x", "weight": 1e999}'
    bodies = (
        b'"messages": NaN',
        b'"messages": [], "seed": 1e999',
        b'"messages": [%b]' % message,
        b'"messages": "\\ud800"',
    )
    for body in bodies:
        assert (await _ask(endpoint, content=b"{%b}" % body)).status_code == 400, body


async def test_an_endpoint_that_quotes_the_key_does_not_give_it_away(
    open_endpoint: OpenEndpoint, scripted_url: str, upstream: Any
) -> None:
    endpoint = await open_endpoint(scripted_url)
    upstream.answer = JSONResponse({"error": {"message": "Incorrect API key provided: sk-the-real-key"}}, 401)
    for stream in (False, True):
        assert "sk-the-real-key" not in (await _ask(endpoint, stream=stream)).text
    assert "sk-the-real-key" not in str(await endpoint.calls())


@pytest.mark.parametrize("usage", [1.5, [1], "many", {"prompt_tokens": -5}, {"prompt_tokens": "x"}])
async def test_usage_in_any_shape_is_recorded(
    open_endpoint: OpenEndpoint, scripted_url: str, upstream: Any, usage: Any
) -> None:
    endpoint = await open_endpoint(scripted_url)
    upstream.answer = JSONResponse({"id": "x", "model": "gpt-4o", "choices": [], "usage": usage})
    assert (await _ask(endpoint)).status_code == 200
    [call] = await endpoint.calls()
    assert (call.input_tokens, call.outcome) == (0, "ok")


@pytest.mark.parametrize(
    "chunk",
    [
        b"5", b"[]", b'{"choices": null}', b'{"choices": [{"delta": {"content": ["a"]}}]}',
        b'{"choices": [{"delta": {"tool_calls": [{"function": {"name": "f"}}]}}]}',
    ],
)  # fmt: skip
async def test_an_unusual_stream_passes_whole(
    open_endpoint: OpenEndpoint, scripted_url: str, upstream: Any, chunk: bytes
) -> None:
    endpoint = await open_endpoint(scripted_url)
    upstream.stream = [b"data: " + chunk + b"\n\n", b"data: [DONE]"]
    answer = await _ask(endpoint, stream=True)
    assert chunk.decode() in answer.text and "[DONE]" in answer.text
    assert [call.outcome for call in await endpoint.calls()] == ["ok"]


async def test_a_client_that_goes_away_in_mid_stream_is_recorded(
    open_endpoint: OpenEndpoint, scripted_url: str, upstream: Any
) -> None:
    endpoint = await open_endpoint(scripted_url)
    first = b'data: {"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"half"}}]}\n\n'
    upstream.stream = [first] * 2000
    async with httpx.AsyncClient() as http:
        headers = {"Authorization": f"Bearer {endpoint.token}"}
        body = {"model": "m", "messages": MESSAGES, "stream": True}
        async with http.stream("POST", f"{endpoint.url}/chat/completions", headers=headers, json=body) as answer:
            async for _ in answer.aiter_bytes():
                break
    for _ in range(1000):
        if await endpoint.calls():
            break
        await asyncio.sleep(0.01)
    assert [call.outcome for call in await endpoint.calls()] == ["error"]
