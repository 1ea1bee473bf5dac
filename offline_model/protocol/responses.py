"""Responses: reads a request of OpenAI's `POST /v1/responses` into a conversation.

Nothing is stored between requests: the whole conversation comes in `input`.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag, ValidationError

from offline_model.conversation import Called, Conversation, OutputFormat, Returned, Said, ToolChoice
from offline_model.decide import json_object_schema
from offline_model.protocol.errors import ApiError, refused
from offline_model.protocol.fields import Arguments, Choice, Function, Text, checked_choice

_STATEFUL = ("previous_response_id", "conversation", "background", "prompt")


class _Message(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Text


class _FunctionCall(BaseModel):
    call_id: str
    name: str
    arguments: Arguments


class _FunctionCallOutput(BaseModel):
    call_id: str
    output: Text


class _Reasoning(BaseModel):
    """Thoughts of another model: there is nothing in them to read."""


class _Tool(Function):
    type: Literal["function"]


class _Format(BaseModel):
    type: Literal["text", "json_object", "json_schema"] = "text"
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class _TextOptions(BaseModel):
    format: _Format | None = None


def _kind_of(item: Any) -> str:
    kind = item.get("type") if isinstance(item, dict) else None
    return kind or "message"


_Item = Annotated[
    Annotated[_Message, Tag("message")]
    | Annotated[_FunctionCall, Tag("function_call")]
    | Annotated[_FunctionCallOutput, Tag("function_call_output")]
    | Annotated[_Reasoning, Tag("reasoning")],
    Discriminator(_kind_of),
]


def _as_items(value: Any) -> Any:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


class ResponsesRequest(BaseModel):
    """The fields of a responses request that matter here; sampling parameters have no meaning here."""

    model: str
    input: Annotated[list[_Item], BeforeValidator(_as_items)] = Field(min_length=1)
    instructions: str | None = None
    tools: list[_Tool] | None = None
    tool_choice: Choice = ToolChoice()
    text: _TextOptions | None = None
    stream: bool | None = False
    max_output_tokens: int | None = Field(default=None, ge=1)
    metadata: dict[str, str] | None = None


def read_responses(body: Any) -> tuple[ResponsesRequest, Conversation]:
    """Return a request's body as a ResponsesRequest and the conversation it holds; raise `ApiError` for a bad one."""
    for name in _STATEFUL if isinstance(body, dict) else ():
        if body.get(name):
            raise ApiError(400, f"'{name}' is not supported: nothing is stored here; send all in input.", name)
    try:
        request = ResponsesRequest.model_validate(body)
    except ValidationError as error:
        raise refused(error) from None
    tools = tuple(tool.tool() for tool in request.tools or [])
    choice = checked_choice(request.tool_choice, tools)
    return request, Conversation(tuple(_items(request)), tools, choice, _output(request.text))


def _items(request: ResponsesRequest) -> Iterator[Said | Called | Returned]:
    if request.instructions:
        yield Said("system", request.instructions)
    called: set[str] = set()
    for place, item in enumerate(request.input):
        match item:
            case _Message():
                yield Said("system" if item.role == "developer" else item.role, item.content)
            case _FunctionCall():
                called.add(item.call_id)
                yield Called(item.call_id, item.name, item.arguments)
            case _FunctionCallOutput():
                if item.call_id not in called:
                    raise ApiError(
                        400,
                        f"No tool call found for function call output with call_id {item.call_id}: send the "
                        "function_call item before it.",
                        f"input[{place}].call_id",
                    )
                yield Returned(item.call_id, item.output)


def _output(wanted: _TextOptions | None) -> OutputFormat:
    if wanted is None or wanted.format is None or wanted.format.type == "text":
        return OutputFormat()
    if wanted.format.type == "json_object":
        return OutputFormat(json_object_schema(), "text.format")
    if wanted.format.schema_ is None:
        raise ApiError(400, "text.format of type json_schema needs a schema: add it.", "text.format.schema")
    return OutputFormat(wanted.format.schema_, "text.format.schema")
