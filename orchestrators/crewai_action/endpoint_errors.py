# pyright: reportMissingImports=false
"""Failures of the two endpoints, found in whatever CrewAI made of them and told apart by whether a retry can help."""

from collections.abc import Iterator

import openai
from crewai.mcp.exceptions import MCPConnectionError

from orchestrators import kit


def as_failure(error: BaseException) -> kit.Failed | None:
    """The failure behind `error`; None where no endpoint failed.

    A retry can help after HTTP 429, 5xx and a lost connection, and not after any other 4xx.
    """
    for cause in _causes(error):
        if isinstance(cause, openai.APIStatusError):
            retryable = cause.status_code == 429 or cause.status_code >= 500
            said = cause.body.get("message") if isinstance(cause.body, dict) else None
            reason = f"The model endpoint answered HTTP {cause.status_code}: {said or cause.message}"
            return kit.Failed(reason, retryable=retryable)
        if isinstance(cause, openai.APIConnectionError):
            return kit.Failed(f"The model endpoint could not be reached: {cause.__cause__ or cause}")
        if isinstance(cause, MCPConnectionError):
            return kit.Failed(f"The tool endpoint could not be opened: {cause}")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__
