"""What a request may hold, checked before anything reads it: the size of its body, its address, its JSON.

PostgreSQL stores no NUL character and no lone surrogate, JSON has no NaN, and nesting without end breaks readers; all
of these are refused here, with the field that holds them, and so cannot fail further in.
"""

import json
import math
from typing import Any, NoReturn

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from execution_api.requests.problems import ApiProblem

DEEPEST_NESTING = 100
LARGEST_JSON_BYTES = 10 * 1024 * 1024  # JSON is parsed in the event loop: 10 MiB hold it for a fraction of a second

_Place = tuple[Any, str | int] | None  # the place one level up and the key within it; None: the whole body


class Intake:
    """ASGI: refuses bodies above `max_body_bytes` while they arrive, and addresses with NUL characters."""

    def __init__(self, app: ASGIApp, max_body_bytes: int):
        self._app = app
        self._most = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            raise ApiProblem(422, "nul_character", "The address holds a NUL character.", remedy="Leave it out.")
        if _announced(scope) > self._most:
            raise _too_large(self._most)
        arrived = 0

        async def count() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self._most:
                raise _too_large(self._most)
            return message

        await self._app(scope, count, send)


class CheckedRequest(Request):
    """A request whose JSON body is read by `parse_json`."""

    async def json(self) -> Any:
        """See Starlette."""
        return parse_json(await self.body())


def parse_json(body: bytes) -> Any:
    """The JSON value in `body`, UTF-8.

    Raises ApiProblem 413 above 10 MiB; 422 where it is not JSON, holds a NUL character, a lone surrogate or a number
    that is not finite, or is nested deeper than 100.
    """
    if len(body) > LARGEST_JSON_BYTES:
        raise _too_large(LARGEST_JSON_BYTES)
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_not_a_number)
    except UnicodeDecodeError as error:
        raise _not_json(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _not_json(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep(None) from None
    except ValueError as error:  # an integer with more digits than Python reads
        raise _not_json(str(error)) from None
    _check(value)
    return value


def check_text(text: str, field: str) -> str:
    """`text` itself. Raises ApiProblem 422 that names `field` where PostgreSQL cannot store it."""
    if "\0" in text:
        raise _refuse("nul_character", field, "holds a NUL character", "Leave it out.")
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise _refuse("lone_surrogate", field, "holds half of a surrogate pair", "Send whole characters.") from None
    return text


def _check(value: Any) -> None:
    waiting: list[tuple[Any, _Place, int]] = [(value, None, 0)]
    while waiting:
        item, place, depth = waiting.pop()
        if isinstance(item, str):
            check_text(item, _name(place))
        elif isinstance(item, float) and not math.isfinite(item):
            raise _refuse("number_not_finite", _name(place), "is too large a number", "Send a finite number.")
        elif isinstance(item, dict | list):
            if depth >= DEEPEST_NESTING:
                raise _too_deep(place)
            entries = item.items() if isinstance(item, dict) else enumerate(item)
            for key, entry in entries:
                if isinstance(key, str):
                    check_text(key, _name(place))
                waiting.append((entry, (place, key), depth + 1))


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _name(place: _Place) -> str:
    names: list[str] = []
    while place is not None:
        place, key = place
        names.append(str(key))
    return ".".join(reversed(names)) or "body"


def _not_a_number(word: str) -> NoReturn:
    raise _not_json(f"{word} is not a JSON number")


def _not_json(why: str) -> ApiProblem:
    return ApiProblem(422, "json_invalid", f"The body is not JSON: {why}.", field="body", remedy="Send valid JSON.")


def _too_deep(place: _Place) -> ApiProblem:
    what, remedy = f"is nested deeper than {DEEPEST_NESTING} levels", "Send flatter JSON."
    # the path down there is as long as it is deep; its start is enough to find it
    return _refuse("nesting_too_deep", ".".join(_name(place).split(".")[:5]), what, remedy)


def _refuse(word: str, field: str, what: str, remedy: str) -> ApiProblem:
    return ApiProblem(422, word, f"{field} {what}.", field=field, remedy=remedy)


def _too_large(most: int) -> ApiProblem:
    detail = f"The body is larger than {most} bytes."
    return ApiProblem(413, "body_too_large", detail, field="body", remedy="Send less at once.")
