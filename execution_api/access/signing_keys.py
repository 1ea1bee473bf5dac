"""The public keys with which a project signs user tokens: fetched from its JWKS address (RFC 7517) and kept.

Keys are fetched again after ten minutes, and at once when a token names a key that is not among them, so that a rotated
key works from its first token on; but no more than once in ten seconds, whatever tokens name. While the address does
not answer, keys that are at most an hour old still do.
"""

import asyncio
import logging
import time
from collections.abc import Callable

import httpx
import jwt

_FRESH_SECONDS, _USABLE_SECONDS, _PAUSE_SECONDS = 600.0, 3600.0, 10.0
_LONGEST_WAIT_SECONDS = 5.0
_MOST_BYTES = 256 * 1024
_ASYMMETRIC = frozenset({"ES256", "RS256"})
_log = logging.getLogger(__name__)


class KeysUnavailable(Exception):
    """There are no keys: the address does not answer, or not with a key set."""


class SigningKeys:
    """The keys at `url`. `clock` gives seconds that only grow."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic):
        self._url = url
        self._clock = clock
        self._keys: dict[tuple[str, str], jwt.PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._turn = asyncio.Lock()
        self._http: httpx.AsyncClient | None = None

    async def find(self, key_id: str, algorithm: str) -> jwt.PyJWK | None:
        """The key `key_id` for `algorithm` (ES256 or RS256), None where the project has no such key.

        Raises KeysUnavailable.
        """
        async with self._turn:
            wanted = (key_id, algorithm)
            old = self._clock() - self._fetched_at > _FRESH_SECONDS
            if (old or wanted not in self._keys) and self._clock() - self._asked_at >= _PAUSE_SECONDS:
                await self._fetch()
            if self._clock() - self._fetched_at > _USABLE_SECONDS:
                raise KeysUnavailable
            return self._keys.get(wanted)

    async def close(self) -> None:
        """Close the connection."""
        if self._http is not None:
            await self._http.aclose()

    async def _fetch(self) -> None:
        self._asked_at = self._clock()
        try:
            answer = await self._open().get(self._url)
            answer.raise_for_status()
            if len(answer.content) > _MOST_BYTES:
                raise ValueError("the key set is too long")
            self._keys = _read(answer.json())
        except (httpx.HTTPError, ValueError, RecursionError) as error:
            _log.warning("no signing keys from %s: %s", self._url, error)
            return
        self._fetched_at = self._clock()

    def _open(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=_LONGEST_WAIT_SECONDS)
        return self._http


def _read(key_set: object) -> dict[tuple[str, str], jwt.PyJWK]:
    """The keys of a set by id and algorithm; those of other kinds (secrets, encryption) are left out."""
    listed = key_set.get("keys") if isinstance(key_set, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is no key set")
    found: dict[tuple[str, str], jwt.PyJWK] = {}
    for entry in listed:
        if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if key.algorithm_name in _ASYMMETRIC:
            found[entry["kid"], key.algorithm_name] = key
    return found
