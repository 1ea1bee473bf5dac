"""Chat completions: reads a request into a conversation, and writes the completion or its chunks.

The form is that of OpenAI's `POST /v1/chat/completions`, as its Python client (openai 3) sends and reads it.
"""

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from offline_model import FINGERPRINT, MODEL_ID, RELEASED_AT
from offline_model.conversation import Called, Conversation, OutputFormat, Returned, Said, ToolChoice
from offline_model.decide import json_object_schema
from offline_model.protocol.errors import ApiError, refused
from offline_model.protocol.fields import Arguments, Choice, Function, Text, checked_choice
from offline_model.protocol.reply import Reply, event, pieces


class _CalledFunction(BaseModel):
    name: str
    arguments: Arguments = {}


class _ToolCall(BaseModel):
    id: str
    type: Literal["function"] = "function"
    function: _CalledFunction


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text = ""
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _Tool(BaseModel):
    type: Literal["function"]
    function: Function


class _JsonSchema(BaseModel):
    name: str = ""
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")


class _ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    """The fields of a chat request that matter here; sampling parameters have no meaning for an extractive model."""

    model: str
    messages: list[_Message] = Field(min_length=1)
    tools: list[_Tool] | None = None
    tool_choice: Choice = ToolChoice()
    response_format: _ResponseFormat | None = None
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    n: Literal[1] | None = 1
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None

    @property
    def token_limit(self) -> int | None:
        """The most tokens the answer may have (None: no limit)."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        """The texts the answer ends before."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []


def read_chat(body: Any) -> tuple[ChatRequest, Conversation]:
    """Return a request's body as a ChatRequest and the conversation it holds; raise `ApiError` for a bad one."""
    try:
        request = ChatRequest.model_validate(body)
    except ValidationError as error:
        raise refused(error) from None
    tools = tuple(tool.function.tool() for tool in request.tools or [])
    choice = checked_choice(request.tool_choice, tools)
    return request, Conversation(tuple(_items(request.messages)), tools, choice, _output(request.response_format))


def completion(reply: Reply) -> dict[str, Any]:
    """Return the whole completion."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None, "annotations": []}
    if reply.call_name:
        message |= {"content": None, "tool_calls": [_call(reply, reply.call_arguments)]}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    return _frame(reply, "chat.completion") | {"choices": [choice], "usage": _usage(reply)}


def chunks(reply: Reply, include_usage: bool) -> Iterator[str]:
    """Yield the completion as server-sent events, the last one `[DONE]`, before it the usage when it is wanted."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if reply.call_name else "", "refusal": None}]
    if reply.call_name:
        deltas.append({"tool_calls": [{"index": 0, **_call(reply, "")}]})
        for piece in pieces(reply.call_arguments):
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    deltas += [{"content": piece} for piece in pieces(reply.text)]
    frame = _frame(reply, "chat.completion.chunk") | ({"usage": None} if include_usage else {})
    for delta in deltas:
        yield event(frame | {"choices": [_delta_choice(delta, None)]})
    yield event(frame | {"choices": [_delta_choice({}, _finish_reason(reply))]})
    if include_usage:
        yield event(frame | {"choices": [], "usage": _usage(reply)})
    yield event("[DONE]")


def _items(messages: list[_Message]) -> Iterator[Said | Called | Returned]:
    called: set[str] = set()
    for place, message in enumerate(messages):
        if message.role == "tool":
            if message.tool_call_id not in called:
                raise ApiError(
                    400,
                    f"messages[{place}] has the role 'tool', but its tool_call_id {message.tool_call_id!r} is of no "
                    "earlier call: send the assistant message with that call before it.",
                    f"messages[{place}].tool_call_id",
                )
            yield Returned(str(message.tool_call_id), message.content)
            continue
        if message.role == "assistant":
            if message.content or not message.tool_calls:
                yield Said("assistant", message.content)
            for call in message.tool_calls or []:
                called.add(call.id)
                yield Called(call.id, call.function.name, call.function.arguments)
            continue
        yield Said("user" if message.role == "user" else "system", message.content)


def _output(wanted: _ResponseFormat | None) -> OutputFormat:
    if wanted is None or wanted.type == "text":
        return OutputFormat()
    if wanted.type == "json_object":
        return OutputFormat(json_object_schema(), "response_format")
    if wanted.json_schema is None:
        raise ApiError(
            400, "response_format of type json_schema needs json_schema: add it.", "response_format.json_schema"
        )
    return OutputFormat(wanted.json_schema.schema_, "response_format.json_schema.schema")


def _frame(reply: Reply, kind: str) -> dict[str, Any]:
    return {
        "id": reply.id_of("chatcmpl"),
        "object": kind,
        "created": RELEASED_AT,
        "model": MODEL_ID,
        "system_fingerprint": FINGERPRINT,
    }


def _call(reply: Reply, arguments: str) -> dict[str, Any]:
    function = {"name": reply.call_name, "arguments": arguments}
    return {"id": reply.id_of("call"), "type": "function", "function": function}


def _delta_choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _finish_reason(reply: Reply) -> str:
    if reply.call_name:
        return "tool_calls"
    return "length" if reply.is_cut else "stop"


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.total_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
