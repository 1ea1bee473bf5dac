"""How an attempt ended, whatever the channel, and how HTTP statuses are read.

Errors are written to the outbox, to events and to logs, so they hold neither addresses with secrets in them nor what a
receiver answered, but only its status.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kernel.notification_models import ClaimedDelivery, DeliveryOutcome

_LATER = frozenset({408, 425, 429})  # the client errors that the same request may outlive (RFC 9110, 8470, 6585)
_GONE = 410


@dataclass(frozen=True)
class Attempt:
    """`outcome` as in finish_delivery of init.sql, `error` in words, `retry_after_seconds` as the receiver named it."""

    outcome: DeliveryOutcome
    error: str | None = None
    retry_after_seconds: float | None = None


Send = Callable[[ClaimedDelivery], Awaitable[Attempt]]
"""A channel: it sends one delivery and says how that ended."""

DELIVERED = Attempt(DeliveryOutcome.DELIVERED)


def later(error: str, retry_after_seconds: float | None = None) -> Attempt:
    """It may work another time."""
    return Attempt(DeliveryOutcome.RETRY, error, retry_after_seconds)


def dead(error: str) -> Attempt:
    """It will never work."""
    return Attempt(DeliveryOutcome.DEAD, error)


def gone(error: str) -> Attempt:
    """It will never work, and nothing else to this receiver will."""
    return Attempt(DeliveryOutcome.GONE, error)


def of_status(status: int, retry_after: str | None) -> Attempt:
    """What an HTTP status means: 2xx delivered, 5xx and 408, 425, 429 later, 410 gone, any other dead.

    `retry_after`: the header of that name. Redirects are not followed, since the address was checked and the next one
    would not be.
    """
    if 200 <= status < 300:
        return DELIVERED
    if status >= 500 or status in _LATER:
        return later(f"the receiver answered HTTP {status}", _seconds(retry_after))
    if status == _GONE:
        return gone("the receiver answered HTTP 410: it is gone")
    if 300 <= status < 400:
        return dead(f"the receiver answered HTTP {status}: redirects are not followed")
    return dead(f"the receiver answered HTTP {status}")


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds from now: a number, or a date (RFC 9110 section 10.2.3); None for anything else."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0)
