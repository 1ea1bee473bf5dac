"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any

from pydantic import ValidationError

_UNION_TAGS = frozenset(("message", "function_call", "function_call_output", "reasoning"))
_LONGEST_VALUE = 80


class ApiError(Exception):
    """A request that is refused: the HTTP status, what is wrong and what to do, and the field it is about."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """Return the body of the response."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def refused(error: ValidationError) -> ApiError:
    """Return the error for a body that lacks the protocol's form: the first field, its value, what it must be."""
    first = error.errors(include_url=False)[0]
    field = field_path(first["loc"])
    if first["type"] == "missing":
        return ApiError(400, f"Missing required parameter: '{field}'. Add it.", field, "missing_required_parameter")
    given = repr(first["input"])
    shown = given if len(given) <= _LONGEST_VALUE else given[:_LONGEST_VALUE] + "…"
    reason = first["msg"].removeprefix("Value error, ")
    return ApiError(400, f"Invalid value for '{field}': {reason} (given: {shown}).", field, "invalid_value")


def field_path(location: tuple[int | str, ...]) -> str:
    """Return a field's place as OpenAI writes it: `messages[0].role`."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step not in _UNION_TAGS:
            path += f".{step}" if path else step
    return path
