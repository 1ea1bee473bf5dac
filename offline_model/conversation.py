"""A conversation in neutral words: what was said, what was called, what came back, and what may be called now.

Both protocols (chat completions and responses) are read into this, so that the model itself knows neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Said:
    """A message: the rules of the house ("system"), what somebody asks ("user"), an earlier answer ("assistant")."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True)
class Called:
    """A tool call the model made; `arguments` is the JSON object it was called with."""

    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Returned:
    """What a tool call gave back, as text (often JSON)."""

    call_id: str
    text: str


@dataclass(frozen=True)
class Tool:
    """A function the caller offers; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class ToolChoice:
    """Whether tools may ("auto"), must ("required") or must not ("none") be called; `names` narrows which."""

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class OutputFormat:
    """The form of the final answer: text, or JSON by `schema`; `field` is where the request gave the schema."""

    schema: Mapping[str, Any] | None = None
    field: str = ""


@dataclass(frozen=True)
class ToolUse:
    """A call together with its result (None while there is none)."""

    name: str
    arguments: Mapping[str, Any]
    result: str | None


@dataclass(frozen=True)
class Conversation:
    """Everything one request holds."""

    items: tuple[Said | Called | Returned, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    output: OutputFormat = OutputFormat()

    def rules(self) -> str:
        """Return the system messages as one text."""
        return "\n\n".join(item.text for item in self.items if isinstance(item, Said) and item.role == "system")

    def requests(self) -> list[tuple[int, str]]:
        """Return each request in order: the place of its last message, and what the user said until it was answered.

        A user message after a tool result, before the model has answered, is a note of the calling framework ("now
        use that result"), not a request. Without any request the rules are one.
        """
        found: list[tuple[int, str]] = []
        before = "answer"
        for place, item in enumerate(self.items):
            if isinstance(item, Returned):
                before = "result"
            elif isinstance(item, Called) or item.role == "assistant":
                before = "answer"
            elif item.role == "user" and before != "result":
                said = [found.pop()[1], item.text] if before == "request" else [item.text]
                found.append((place, "\n\n".join(said)))
                before = "request"
        return found or [(0, self.rules())]

    def tool_uses(self, since: int = 0) -> list[ToolUse]:
        """Return the calls from the item at place `since` on, in order, each with its result."""
        results = {item.call_id: item.text for item in self.items if isinstance(item, Returned)}
        return [
            ToolUse(item.name, item.arguments, results.get(item.call_id))
            for item in self.items[since:]
            if isinstance(item, Called)
        ]

    def allowed_tools(self) -> list[Tool]:
        """Return the tools that may be called now."""
        choice = self.tool_choice
        if choice.mode == "none":
            return []
        return [tool for tool in self.tools if choice.names is None or tool.name in choice.names]
