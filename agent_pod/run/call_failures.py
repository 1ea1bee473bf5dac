"""What an answer of a model endpoint says about why it is none: its error class, and when to ask again.

Statuses are those of RFC 9110 and of OpenAI's API; 529 is how other endpoints say that they are overloaded. The time
is in Retry-After (RFC 9110, section 10.2.3: seconds or a date), or in retry-after-ms.
"""

import email.utils
import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from agent_pod.run.storable import storable
from kernel.error_classes import ErrorClass

_OVERLOADED = frozenset({429, 503, 529})
_UNAVAILABLE = frozenset({408, 425})
_ACCOUNT = frozenset({401, 402, 403})
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_DECLINED = frozenset({"content_filter", "content_policy_violation", "invalid_prompt"})
_MOST_MESSAGE = 300


@dataclass(frozen=True)
class CallFailure:
    """Why a call failed. `retry_at`: time.monotonic() before which it is of no use again; None: nobody said."""

    error_class: ErrorClass
    reason: str
    retry_at: float | None = None

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.error_class in (ErrorClass.MODEL_OVERLOADED, ErrorClass.MODEL_UNAVAILABLE)


def failure_of(status: int, headers: httpx.Headers, body: Any) -> CallFailure:
    """Why an answer with an error status is one. `body`: its JSON, or {text}."""
    codes, message = _codes(body), _message(body)
    said = f"the model endpoint answered HTTP {status}{f': {message}' if message else ''}"
    if status in _ACCOUNT or (status == 429 and codes & _NO_CREDIT):
        return CallFailure(ErrorClass.MODEL_AUTH, said)
    if status in _OVERLOADED:
        return CallFailure(ErrorClass.MODEL_OVERLOADED, said, _retry_at(headers))
    if status in _UNAVAILABLE or not 400 <= status < 500:
        return CallFailure(ErrorClass.MODEL_UNAVAILABLE, said, _retry_at(headers))
    return CallFailure(ErrorClass.MODEL_REFUSED if codes & _DECLINED else ErrorClass.INPUT_REFUSED, said)


def unreachable(error: httpx.HTTPError) -> CallFailure:
    """Why there is no answer."""
    reason = f"the model endpoint cannot be reached: {type(error).__name__}"
    return CallFailure(ErrorClass.MODEL_UNAVAILABLE, reason)


def failure_in(answer: Any, finished: bool) -> CallFailure | None:
    """Why an answer that came with status 200 is none; None: it is one. `finished`: its end has come."""
    if not finished:
        return CallFailure(ErrorClass.MODEL_UNAVAILABLE, "the model endpoint broke off in the middle of its answer")
    if not isinstance(answer, dict):
        return None
    if answer.get("error"):
        codes, said = _codes(answer), f"the model endpoint answered with an error: {_message(answer)}"
        if "rate_limit_exceeded" in codes:
            return CallFailure(ErrorClass.MODEL_OVERLOADED, said)
        return CallFailure(ErrorClass.MODEL_REFUSED if codes & _DECLINED else ErrorClass.MODEL_UNAVAILABLE, said)
    if _declines(answer):
        return CallFailure(ErrorClass.MODEL_REFUSED, "the model declined to answer")
    return None


def _declines(answer: dict[str, Any]) -> bool:
    if (answer.get("incomplete_details") or {}).get("reason") == "content_filter":
        return True
    choices = [choice for choice in answer.get("choices") or () if isinstance(choice, dict)]
    return any(
        choice.get("finish_reason") == "content_filter" or (choice.get("message") or {}).get("refusal")
        for choice in choices
    )


def _codes(body: Any) -> set[str]:
    error = body.get("error") if isinstance(body, dict) else None
    return {str(error.get(name)) for name in ("code", "type")} if isinstance(error, dict) else set()


def _message(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    text = message if isinstance(message, str) else json.dumps(body, ensure_ascii=False) if body else ""
    return str(storable(" ".join(text.split())))[:_MOST_MESSAGE]


def _retry_at(headers: httpx.Headers) -> float | None:
    seconds = _number(headers.get("retry-after-ms"), 1000)
    if seconds is None:
        seconds = _number(headers.get("retry-after"), 1)
    if seconds is None and (date := _date(headers.get("retry-after"))) is not None:
        seconds = (date - (_date(headers.get("date")) or datetime.now(UTC))).total_seconds()
    return None if seconds is None else time.monotonic() + max(seconds, 0)


def _number(text: str | None, parts: int) -> float | None:
    return float(text) / parts if text and re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text.strip()) else None


def _date(text: str | None) -> datetime | None:
    try:
        date = email.utils.parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
