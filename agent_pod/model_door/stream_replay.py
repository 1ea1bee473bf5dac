"""Gives an answer of the journal as a stream: server-sent events of chat completions and of the Responses API.

The events are fewer than the endpoint's were, since a text comes in one piece, but what a client puts together from
them is the same answer. Sources: OpenAI API reference, "Chat completion chunk object" and "Responses streaming events".
"""

import json
from collections.abc import Iterator
from typing import Any

_DONE = b"data: [DONE]\n\n"


def chat_events(whole: dict[str, Any], include_usage: bool) -> bytes:
    """The stream of chat completion `whole`; `include_usage`: with a last chunk that has the token counts."""
    head = {name: whole[name] for name in whole if name not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    choices = [part for choice in whole["choices"] for part in _chat_choices(choice)]
    chunks = [{**head, "choices": [choice]} for choice in choices]
    if include_usage:
        chunks = [*({**chunk, "usage": None} for chunk in chunks), {**head, "choices": [], "usage": whole.get("usage")}]
    return b"".join(_event(chunk) for chunk in chunks) + _DONE


def response_events(whole: dict[str, Any]) -> bytes:
    """The stream of response `whole` of the Responses API."""
    status = whole.get("status") or "completed"
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for place, item in enumerate(whole.get("output") or []):
        events += _item_events({"output_index": place}, item)
    events.append({"type": f"response.{status}", "response": whole})
    numbered = ({**event, "sequence_number": number} for number, event in enumerate(events))
    return b"".join(b"event: " + event["type"].encode() + b"\n" + _event(event) for event in numbered)


def _chat_choices(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    delta = dict(choice["message"])
    if delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": place, **call} for place, call in enumerate(delta["tool_calls"])]
    rest = {name: part for name, part in choice.items() if name not in ("message", "index", "finish_reason")}
    index = choice.get("index", 0)
    yield {"index": index, "delta": delta, **rest, "finish_reason": None}
    yield {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason")}


def _item_events(at: dict[str, Any], item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at = {**at, "item_id": item.get("id")}
    place = {"output_index": at["output_index"]}
    empty = dict(item)
    if item.get("type") == "message":
        empty = {**item, "status": "in_progress", "content": []}
    elif item.get("type") == "function_call":
        empty = {**item, "status": "in_progress", "arguments": ""}
    yield {"type": "response.output_item.added", **place, "item": empty}
    if item.get("type") == "message":
        for number, part in enumerate(item.get("content") or []):
            yield from _content_events({**at, "content_index": number}, part)
    elif item.get("type") == "function_call":
        arguments = item.get("arguments") or ""
        yield {"type": "response.function_call_arguments.delta", **at, "delta": arguments}
        yield {"type": "response.function_call_arguments.done", **at, "arguments": arguments, "name": item.get("name")}
    yield {"type": "response.output_item.done", **place, "item": item}


def _content_events(at: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    field = "refusal" if part.get("type") == "refusal" else "text"
    name = "response.refusal" if field == "refusal" else "response.output_text"
    empty = {**part, field: ""} | ({"annotations": []} if field == "text" else {})
    yield {"type": "response.content_part.added", **at, "part": empty}
    logprobs = {"logprobs": []} if field == "text" else {}
    yield {"type": f"{name}.delta", **at, "delta": part.get(field) or "", **logprobs}
    for number, note in enumerate(part.get("annotations") or []):
        annotation = {"annotation_index": number, "annotation": note}
        yield {"type": "response.output_text.annotation.added", **at, **annotation}
    yield {"type": f"{name}.done", **at, field: part.get(field) or "", **logprobs}
    yield {"type": "response.content_part.done", **at, "part": part}


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"
