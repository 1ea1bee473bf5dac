"""Responses: writes the response object, whole or as the events of its stream.

The order of events is what the stream helpers of OpenAI's Python client rely on: created, in progress, the item and
its part added, deltas, then everything done and the response completed.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from offline_model import FINGERPRINT, MODEL_ID, RELEASED_AT
from offline_model.protocol.reply import Reply, event, pieces


def response(reply: Reply, body: Mapping[str, Any], metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the whole response to the request with this `body`, with its own `metadata` and what this model is."""
    status = "incomplete" if reply.is_cut else "completed"
    return _frame(reply, body, metadata) | {
        "status": status,
        "incomplete_details": {"reason": "max_output_tokens"} if reply.is_cut else None,
        "output": [_item(reply, status)],
        "usage": {
            "input_tokens": reply.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": reply.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": reply.total_tokens,
        },
    }


def events(reply: Reply, body: Mapping[str, Any], metadata: Mapping[str, str]) -> Iterator[str]:
    """Yield the response as named server-sent events with running sequence numbers."""
    for number, (name, data) in enumerate(_events(reply, response(reply, body, metadata))):
        yield event({"type": name, "sequence_number": number, **data}, name)


def _events(reply: Reply, final: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    begun = final | {"status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    item = final["output"][0]
    emptied = {"arguments": ""} if reply.call_name else {"content": []}
    yield "response.output_item.added", {"output_index": 0, "item": item | emptied | {"status": "in_progress"}}
    yield from _call_events(item) if reply.call_name else _text_events(item)
    yield "response.output_item.done", {"output_index": 0, "item": item}
    yield f"response.{final['status']}", {"response": final}


def _call_events(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"item_id": item["id"], "output_index": 0}
    for piece in pieces(item["arguments"]):
        yield "response.function_call_arguments.delta", place | {"delta": piece}
    done = place | {"name": item["name"], "arguments": item["arguments"]}
    yield "response.function_call_arguments.done", done


def _text_events(item: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    part = item["content"][0]
    yield "response.content_part.added", place | {"part": part | {"text": ""}}
    for piece in pieces(part["text"]):
        yield "response.output_text.delta", place | {"delta": piece, "logprobs": []}
    yield "response.output_text.done", place | {"text": part["text"], "logprobs": []}
    yield "response.content_part.done", place | {"part": part}


def _item(reply: Reply, status: str) -> dict[str, Any]:
    if reply.call_name:
        return {
            "id": reply.id_of("fc"),
            "type": "function_call",
            "status": status,
            "call_id": reply.id_of("call"),
            "name": reply.call_name,
            "arguments": reply.call_arguments,
        }
    part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
    return {"id": reply.id_of("msg"), "type": "message", "status": status, "role": "assistant", "content": [part]}


def _frame(reply: Reply, body: Mapping[str, Any], metadata: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": reply.id_of("resp"),
        "object": "response",
        "created_at": RELEASED_AT,
        "model": MODEL_ID,
        "error": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": {**metadata, "answered_by": MODEL_ID, "system_fingerprint": FINGERPRINT, "kind": "extractive"},
        "parallel_tool_calls": False,
        "previous_response_id": None,
        "store": False,
        "temperature": None,
        "top_p": None,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
    }
