"""Reads a model's answer as it streams by: server-sent events of chat completions and of the Responses API.

The bytes go to the orchestrator as they came; this only listens, so that the journal holds the whole answer.
"""

import json
from typing import Any

_MOST_TOOL_CALLS = 1000
_SAID_ANEW = ("role", "id", "type", "finish_reason")  # never in pieces; some endpoints repeat them


class StreamedAnswer:
    """Feed it the bytes of an event stream; `whole` is then the answer as one object.

    `hide_usage`: drop the chunk that only carries usage (the gateway asked for it, the orchestrator did not).
    `finished`: the end has come. `understood`: nothing came that `whole` does not hold.
    """

    def __init__(self, hide_usage: bool):
        self._hide_usage = hide_usage
        self._rest = b""
        self._choices: dict[int, dict[str, Any]] = {}
        self._head: dict[str, Any] = {}
        self._response: dict[str, Any] | None = None
        self._usage: dict[str, Any] = {}
        self.finished = False
        self.understood = True

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
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": self._usage}

    def _read(self, event: bytes) -> bool:
        data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
        if data == b"[DONE]":
            self.finished = True
        if data in (b"", b"[DONE]"):
            return True
        try:
            chunk = json.loads(data)
            if "type" in chunk:
                self._read_response_event(chunk)
                return True
            return self._read_chat_chunk(chunk)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.understood = False
            return True  # some endpoint's own way of writing: it goes on to the orchestrator unread

    def _read_response_event(self, event: dict[str, Any]) -> None:
        if event["type"] in ("response.completed", "response.failed", "response.incomplete"):
            self._response = event["response"]
            self._usage = event["response"].get("usage") or {}
            self.finished = True

    def _read_chat_chunk(self, chunk: dict[str, Any]) -> bool:
        self._head |= {name: chunk[name] for name in chunk if name not in ("object", "choices", "usage")}
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or []:
            self._merge(choice)
        return bool(chunk.get("choices")) or not (self._hide_usage and chunk.get("usage"))

    def _merge(self, choice: dict[str, Any]) -> None:
        into = self._choices.setdefault(
            choice.get("index", 0),
            {"index": choice.get("index", 0), "message": {"role": "assistant", "content": None}, "finish_reason": None},
        )
        delta = choice.get("delta") or {}
        if not isinstance(delta.get("content"), str | None):
            self.understood = False
            delta = {name: part for name, part in delta.items() if name != "content"}
        _continue(into["message"], {name: part for name, part in delta.items() if name != "tool_calls"})
        self._merge_tool_calls(into["message"], delta.get("tool_calls") or [])
        _continue(into, {name: part for name, part in choice.items() if name not in ("index", "delta")})

    def _merge_tool_calls(self, message: dict[str, Any], deltas: list[Any]) -> None:
        for place, delta in enumerate(deltas):
            calls = message.setdefault("tool_calls", [])
            index = min(delta.get("index", place), _MOST_TOOL_CALLS)
            while len(calls) <= index:
                calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
            _continue(calls[index], {name: part for name, part in delta.items() if name != "index"})


def _continue(into: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta: texts and lists go on, objects are merged, anything else is what was said last."""
    for name, part in delta.items():
        known = into.get(name)
        if part is None:
            into.setdefault(name, None)
        elif isinstance(known, dict) and isinstance(part, dict):
            _continue(known, part)
        elif isinstance(known, list) and isinstance(part, list):
            known.extend(part)
        elif isinstance(known, str) and name not in _SAID_ANEW:
            into[name] = known + str(part)
        else:
            into[name] = part
