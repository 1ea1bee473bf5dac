"""Pushes through Firebase Cloud Messaging, HTTP v1: POST /v1/projects/PROJECT/messages:send.

https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send, errors by ErrorCode.
"""

from typing import Any

import httpx

from delivery.attempt import Attempt, dead, gone, later, of_status
from delivery.service_account import NoAccess, ServiceAccount
from delivery.templates import Templates
from kernel.notification_models import ClaimedDelivery

_FORGOTTEN = "UNREGISTERED"  # the app was uninstalled, or its token has run out
_REFUSED_CREDENTIALS = (401, 403)


class Push:
    """Sends notifications to devices. `data.idempotency_key` is the same for each attempt."""

    def __init__(self, url: str, account: ServiceAccount, templates: Templates, timeout_seconds: float):
        self._url = f"{url.rstrip('/')}/v1/projects/{account.project}/messages:send"
        self._account = account
        self._templates = templates
        self._client = httpx.AsyncClient(timeout=timeout_seconds, follow_redirects=False)

    async def aclose(self) -> None:
        """Close the clients."""
        self._account.close()
        await self._client.aclose()

    async def send(self, delivery: ClaimedDelivery) -> Attempt:
        """Send to the device `delivery.target`. A device that Firebase no longer knows is forgotten."""
        if delivery.target is None:
            return dead("the device was forgotten")
        words = self._templates.words(delivery.payload)
        if words is None:
            return dead(f"there is no template for {delivery.payload.get('type')!r}")
        message = {
            "token": delivery.target["token"],
            "notification": {"title": words.title, "body": words.push},
            "data": _data(delivery),
        }
        try:
            headers = {"Authorization": f"Bearer {await self._account.token()}"}
            answer = await self._client.post(self._url, json={"message": message}, headers=headers)
        except NoAccess as error:
            return later(str(error))
        except httpx.HTTPError as error:
            return later(f"Firebase gave no answer: {type(error).__name__}")
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Attempt:
        if answer.status_code in _REFUSED_CREDENTIALS:
            self._account.forget()
            return later(
                f"Firebase refused the credentials with HTTP {answer.status_code}: check FLEET_FCM_CREDENTIALS"
            )
        if answer.status_code == 404 and _error_code(answer) == _FORGOTTEN:
            return gone("Firebase does not know the device any more (UNREGISTERED)")
        return of_status(answer.status_code, answer.headers.get("retry-after"))


def _data(delivery: ClaimedDelivery) -> dict[str, str]:
    """FCM takes texts only."""
    given: dict[str, Any] = {
        **delivery.payload.get("data", {}),
        "type": delivery.payload.get("type"),
        "idempotency_key": delivery.idempotency_key,
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _error_code(answer: httpx.Response) -> str | None:
    try:
        details = answer.json()["error"]["details"]
        return next((str(d["errorCode"]) for d in details if "errorCode" in d), None)
    except (ValueError, KeyError, TypeError):
        return None
