"""Reads a model's answer as it streams by: server-sent events of chat completions and of the Responses API.

The bytes go to the orchestrator as they came; this only listens, so that the journal holds the whole answer.
"""

import json
from typing import Any

_MOST_TOOL_CALLS = 1000


class StreamedAnswer:
    """Feed it the bytes of an event stream; `whole` is then the answer as one object, `usage` its token counts.

    `hide_usage`: drop the chunk that only carries usage (the gateway asked for it, the orchestrator did not).
    """

    def __init__(self, hide_usage: bool):
        self._hide_usage = hide_usage
        self._rest = b""
        self._choices: dict[int, dict[str, Any]] = {}
        self._head: dict[str, Any] = {}
        self._response: dict[str, Any] | None = None
        self.usage: dict[str, Any] = {}
        self.finished = False

    def feed(self, data: bytes) -> bytes:
        """Take in `data`; returns the complete events in it, as they go on to the orchestrator."""
        self._rest += data.replace(b"\r\n", b"\n")
        passed = b""
        while b"\n\n" in self._rest:
            event, self._rest = self._rest.split(b"\n\n", 1)
            if self._read(event):
                passed += event + b"\n\n"
        return passed

    def rest(self) -> bytes:
        """What came after the last complete event, when the stream has ended: it may be an event without its end."""
        rest, self._rest = self._rest, b""
        return rest if self._read(rest) else b""

    @property
    def whole(self) -> dict[str, Any]:
        """The answer as the endpoint would have given it without streaming, as far as it came."""
        if self._response is not None:
            return self._response
        choices = [self._choices[index] for index in sorted(self._choices)]
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": self.usage}

    def _read(self, event: bytes) -> bool:
        data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
        if data == b"[DONE]":
            self.finished = True
            return True
        try:
            chunk = json.loads(data)
            if "type" in chunk:
                self._read_response_event(chunk)
                return True
            return self._read_chat_chunk(chunk)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return True  # some endpoint's own way of writing: it goes on to the orchestrator unread

    def _read_response_event(self, event: dict[str, Any]) -> None:
        if event["type"] in ("response.completed", "response.failed", "response.incomplete"):
            self._response = event["response"]
            self.usage = event["response"].get("usage") or {}
            self.finished = True

    def _read_chat_chunk(self, chunk: dict[str, Any]) -> bool:
        self._head = {k: chunk[k] for k in ("id", "created", "model") if k in chunk}
        if chunk.get("usage"):
            self.usage = chunk["usage"]
        for choice in chunk.get("choices") or []:
            self._merge(choice)
        return bool(chunk.get("choices")) or not (self._hide_usage and chunk.get("usage"))

    def _merge(self, choice: dict[str, Any]) -> None:
        into = self._choices.setdefault(
            choice.get("index", 0),
            {"index": choice.get("index", 0), "message": {"role": "assistant", "content": None}, "finish_reason": None},
        )
        delta, message = choice.get("delta") or {}, into["message"]
        if isinstance(delta.get("content"), str):
            message["content"] = (message["content"] or "") + delta["content"]
        for place, call in enumerate(delta.get("tool_calls") or []):
            calls = message.setdefault("tool_calls", [])
            index = min(call.get("index", place), _MOST_TOOL_CALLS)
            while len(calls) <= index:
                calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
            known, function = calls[index], call.get("function") or {}
            known["id"] = call.get("id") or known["id"]
            known["function"]["name"] += function.get("name") or ""
            known["function"]["arguments"] += function.get("arguments") or ""
        into["finish_reason"] = choice.get("finish_reason") or into["finish_reason"]
