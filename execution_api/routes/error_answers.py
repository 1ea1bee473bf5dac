"""How the OpenAPI document describes the errors of an operation."""

from typing import Any

from execution_api.requests.problems import Problem

_DESCRIPTIONS = {
    401: "The credentials are missing, unknown, revoked or expired.",
    403: "The credentials name no tenant, or do not reach that far.",
    404: "Nothing of that name exists in the caller's tenant.",
    409: "The thing is not in a state that allows this.",
    413: "The body is too large.",
    415: "The body has another media type than these.",
    422: "Something in the request cannot be accepted; `field`, `value` and `remedy` say what.",
    429: "These credentials send too many requests, or too much work of the tenant waits already.",
    500: "Something went wrong on our side; `incident` is its id in the operator's log.",
    502: "The model endpoint gave no answer.",
    503: "The database is not available.",
}
_HEADERS = {
    401: {"WWW-Authenticate": {"description": "the scheme to use", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "seconds to wait", "schema": {"type": "string"}}},
    503: {"Retry-After": {"description": "seconds to wait", "schema": {"type": "string"}}},
}
_EVERYWHERE = (401, 403, 422, 429, 500, 503)

Answers = dict[int | str, dict[str, Any]]


def errors(*statuses: int, everywhere: tuple[int, ...] = _EVERYWHERE) -> Answers:
    """The error answers `statuses`, and those that every operation behind the gate has."""
    return {status: _answer(status) for status in sorted({*statuses, *everywhere})}


def _answer(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"model": Problem, "description": _DESCRIPTIONS[status]}
    return {**answer, "headers": _HEADERS[status]} if status in _HEADERS else answer
