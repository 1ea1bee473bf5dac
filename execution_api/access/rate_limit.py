"""How many requests a credential may send: a token bucket each (Turner 1986), in the memory of this process."""

import math
import time
from collections import OrderedDict

from execution_api.requests.problems import ApiProblem

_MOST_BUCKETS = 10_000


class RateLimit:
    """Lets `burst` requests through at once and `per_second` in the long run; with 0 any number.

    With several processes of the API each counts for itself.
    """

    def __init__(self, per_second: float, burst: int):
        self._rate, self._burst = per_second, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when there were that many

    def take(self, credential: str) -> None:
        """Count one request. Raises ApiProblem 429 with the seconds until there is room for the next."""
        if not self._rate:
            return
        now = time.monotonic()
        tokens, at = self._buckets.pop(credential, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        self._buckets[credential] = (tokens - 1 if tokens >= 1 else tokens, now)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)  # the one that was idle longest is the fullest
        if tokens < 1:
            raise _too_many(math.ceil((1 - tokens) / self._rate), self._rate)


def _too_many(seconds: int, rate: float) -> ApiProblem:
    detail = f"These credentials send more than {rate:g} requests per second."
    remedy = "Wait for Retry-After seconds, or ask the operator for more with FLEET_API_RATE."
    return ApiProblem(429, "too_many_requests", detail, remedy=remedy, headers={"Retry-After": str(seconds)})
