"""Signed messages to the webhook endpoints of a tenant (Standard Webhooks 1.0)."""

import json
import ssl
import time
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

import httpx

from delivery.attempt import Attempt, dead, later, of_status
from delivery.signature import signed_headers
from kernel.notification_models import ClaimedDelivery
from kernel.reachable import Route, Unreachable, find_route


class Webhook:
    """Posts a payload as JSON. `webhook-id` is the same for each attempt: receivers know a repeat by it."""

    def __init__(self, allowed: Sequence[IPv4Network | IPv6Network], timeout_seconds: float):
        self._allowed = allowed
        # Connections are not kept: one that was made for one name must not carry a message for another at its address.
        self._client = httpx.AsyncClient(
            timeout=timeout_seconds,
            verify=ssl.create_default_context(),
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()

    async def send(self, delivery: ClaimedDelivery) -> Attempt:
        """Post to the endpoint `delivery.target`. What it answers is not read, but for status and Retry-After."""
        if delivery.target is None:
            return dead("the webhook endpoint was deleted or disabled")
        try:
            route = await find_route(delivery.target["url"], self._allowed, "FLEET_WEBHOOK_ALLOW")
        except Unreachable as error:
            return dead(str(error)) if error.for_good else later(str(error))
        body = json.dumps(delivery.payload, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
        secrets = [delivery.target[name] for name in ("secret", "old_secret") if name in delivery.target]
        headers = {
            "Host": route.host,
            "Content-Type": "application/json",
            "User-Agent": "process-fleet",
            **signed_headers(secrets, delivery.idempotency_key, int(time.time()), body),
        }
        return await self._post(route, body, headers)

    async def _post(self, route: Route, body: bytes, headers: dict[str, str]) -> Attempt:
        fault = ""
        for url in route.urls:
            try:
                async with self._client.stream(
                    "POST", url, content=body, headers=headers, extensions={"sni_hostname": route.name}
                ) as answer:
                    return of_status(answer.status_code, answer.headers.get("retry-after"))
            except httpx.InvalidURL:
                return dead("the address of the endpoint is none")
            except httpx.HTTPError as error:
                fault = type(error).__name__
                if not isinstance(error, httpx.ConnectError):
                    break  # it may have been sent
        return later(f"{route.name} gave no answer: {fault}")
