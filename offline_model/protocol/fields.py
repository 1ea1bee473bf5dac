"""Fields both text endpoints share: text content, call arguments, tools, the tool choice, the output format."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from offline_model.conversation import Tool, ToolChoice
from offline_model.protocol.errors import ApiError

_TEXT_PARTS = ("text", "input_text", "output_text")


def _text(value: Any) -> Any:
    """Return content as one text: given as text, as nothing, or as a list of text parts."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(map(_part, value))
    return value


def _part(part: Any) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "refusal":
        return str(part.get("refusal", ""))
    if kind not in _TEXT_PARTS:
        raise ValueError(f"this model reads text only; send parts of type text, not {kind!r}")
    text = part.get("text")
    if not isinstance(text, str):
        raise ValueError(f"a part of type {kind} needs a text")
    return text


def _arguments(value: Any) -> Any:
    """Return the arguments of an earlier call, which the protocol sends as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value or "{}")
    except ValueError:
        raise ValueError("the arguments of a call must be the JSON text of an object") from None


def _choice(value: Any) -> Any:
    """Return a tool choice in any of its forms (a mode, a named function, a list of allowed ones) as a ToolChoice."""
    if value in ("auto", "none", "required"):
        return ToolChoice(value)
    if isinstance(value, dict):
        chosen = value.get("allowed_tools", value)
        if value.get("type") == "function":
            return ToolChoice("required", (_name_of(value),))
        if value.get("type") == "allowed_tools" and chosen.get("mode", "auto") in ("auto", "required"):
            return ToolChoice(chosen.get("mode", "auto"), tuple(map(_name_of, chosen.get("tools", []))))
    raise ValueError("must be 'auto', 'none', 'required', a named function or a list of allowed tools")


def _name_of(chosen: Any) -> str:
    function = chosen.get("function", chosen) if isinstance(chosen, dict) else {}
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise ValueError("needs the name of a function")
    return name


Text = Annotated[str, BeforeValidator(_text)]
Arguments = Annotated[dict[str, Any], BeforeValidator(_arguments)]
Choice = Annotated[ToolChoice, BeforeValidator(lambda value: ToolChoice() if value is None else _choice(value))]


class Function(BaseModel):
    """A function the caller offers."""

    name: str = Field(min_length=1, max_length=256)
    description: str | None = None
    parameters: dict[str, Any] | None = None

    def tool(self) -> Tool:
        """Return it in neutral words."""
        return Tool(self.name, self.description or "", self.parameters or {"type": "object", "properties": {}})


def checked_choice(choice: ToolChoice, tools: Sequence[Tool]) -> ToolChoice:
    """Return `choice` if the tools it asks for are offered; raise `ApiError` if not."""
    offered = {tool.name for tool in tools}
    missing = [name for name in choice.names or () if name not in offered]
    if missing:
        raise ApiError(400, f"tool_choice names the tool '{missing[0]}', which is not in tools: add it.", "tool_choice")
    if choice.mode == "required" and not tools:
        raise ApiError(400, "tool_choice asks for a call, but tools is empty: add tools.", "tool_choice")
    return choice
