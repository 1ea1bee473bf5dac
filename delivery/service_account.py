"""Access tokens of a Google service account, by google-auth: a signed JWT for an access token (RFC 7523)."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from google.auth import transport
from google.auth.exceptions import GoogleAuthError, TransportError
from google.oauth2 import service_account

from kernel.errors import SettingsInvalid

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


class NoAccess(Exception):
    """The token endpoint gave no token. The message holds nothing of what was sent or answered."""


class ServiceAccount:
    """A service account file; `project` is the id of its project. The token endpoint is the file's `token_uri`."""

    def __init__(self, info: Mapping[str, str], timeout_seconds: float):
        self.project = info["project_id"]
        self._credentials = service_account.Credentials.from_service_account_info(info, scopes=[_SCOPE])
        self._client = httpx.Client(timeout=timeout_seconds, follow_redirects=False)
        self._turn = asyncio.Lock()

    @classmethod
    def read(cls, path: Path, timeout_seconds: float) -> "ServiceAccount":
        """Read the JSON file that the Firebase console gives. Raises SettingsInvalid that names the file."""
        try:
            return cls(json.loads(path.read_text(encoding="utf-8")), timeout_seconds)
        except (OSError, ValueError, KeyError, TypeError, GoogleAuthError) as error:
            raise SettingsInvalid(
                f"FLEET_FCM_CREDENTIALS: {path} is no service account file ({type(error).__name__}). "
                "Download one from the Firebase console."
            ) from None

    async def token(self) -> str:
        """A token that is valid now; it is asked for again shortly before it runs out. Raises NoAccess."""
        async with self._turn:
            if not self._credentials.valid:
                await asyncio.to_thread(self._refresh)
            return str(self._credentials.token)

    def forget(self) -> None:
        """Ask for a new token next time: the present one was refused."""
        self._credentials.token = None

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _refresh(self) -> None:
        try:
            self._credentials.refresh(_Http(self._client))
        except GoogleAuthError as error:
            raise NoAccess(f"the token endpoint gave no token: {type(error).__name__}") from None


class _Http(transport.Request):
    """google-auth's transport, over httpx."""

    def __init__(self, client: httpx.Client):
        self._client = client

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> "_Answer":
        try:
            return _Answer(self._client.request(method, url, content=body, headers=headers))
        except httpx.HTTPError as error:
            raise TransportError(type(error).__name__) from None


class _Answer(transport.Response):
    def __init__(self, answer: httpx.Response):
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status_code

    @property
    def headers(self) -> Mapping[str, str]:
        return self._answer.headers

    @property
    def data(self) -> bytes:
        return self._answer.content
