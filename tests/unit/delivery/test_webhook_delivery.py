"""Webhooks over real HTTP: what is sent, and what each answer leads to."""

import asyncio
import base64
import hashlib
import hmac
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from receivers import Receiver
from sample_payload import PAYLOAD, SECRET

from agent_pod.servers import LoopServer
from kernel.functions import Kernel

Start = Callable[..., Awaitable[Any]]
Outbox = Callable[..., Awaitable[Any]]
Put = Callable[..., None]


@pytest.fixture
async def endpoint(kernel_api: Kernel, receiver_url: str) -> UUID:
    return (await kernel_api.create_webhook(f"{receiver_url}/in?token=tok3n", "", [], SECRET)).endpoint_id


async def test_a_message_is_signed_and_says_what_happened(
    start_deliverer: Start, put: Put, outbox: Outbox, receiver: Receiver, endpoint: UUID
) -> None:
    put("webhook", endpoint, key="key-1")
    await start_deliverer()
    await outbox(status="DELIVERED")
    [request] = receiver.received
    assert request.json == PAYLOAD and request.headers["content-type"] == "application/json"
    identity, at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    assert identity == "key-1" and abs(int(at) - time.time()) < 60
    assert request.headers["webhook-signature"] == signature(SECRET, request)


def signature(secret: str, request: Any) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    identity, at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    mac = hmac.digest(key, f"{identity}.{at}.{request.body.decode()}".encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"


async def test_while_a_secret_is_rotated_a_message_fits_the_old_and_the_new_one(
    start_deliverer: Start,
    put: Put,
    outbox: Outbox,
    receiver: Receiver,
    endpoint: UUID,
    kernel_api: Kernel,
    set_clock: Callable[[float], datetime],
    owner: Any,
) -> None:
    new = "whsec_" + base64.b64encode(b"a secret that nobody has seen").decode()
    await kernel_api.rotate_webhook_secret(endpoint, new, 60)
    await start_deliverer()
    put("webhook", endpoint, key="within")
    await outbox(status="DELIVERED", idempotency_key="within")
    set_clock(61)
    owner.execute("delete from outbox")
    put("webhook", endpoint, key="after")
    await outbox(status="DELIVERED", idempotency_key="after")
    within, after = receiver.received
    assert within.headers["webhook-signature"] == f"{signature(new, within)} {signature(SECRET, within)}"
    assert after.headers["webhook-signature"] == signature(new, after)
    owner.execute("select * from public.tend_outbox()")
    assert owner.execute("select secret, old_secret from webhook_endpoint").fetchone() == (new, None)


async def test_a_transition_arrives_at_the_endpoint(
    start_deliverer: Start, kernel_api: Kernel, outbox: Outbox, receiver: Receiver, endpoint: UUID
) -> None:
    await start_deliverer()
    await kernel_api.enqueue_tasks([{"activity_id": "decide", "assignee": "ann@acme.test"}])
    await outbox(status="DELIVERED")
    [request] = receiver.received
    assert request.json["type"] == "TASK_ASSIGNED" and request.json["data"]["user_id"] == "ann@acme.test"


@pytest.mark.parametrize("status", [500, 503, 408, 425, 429])
async def test_what_may_pass_is_tried_again_with_the_same_key(
    start_deliverer: Start, put: Put, outbox: Outbox, receiver: Receiver, endpoint: UUID, owner: Any, status: int
) -> None:
    receiver.then(status)
    put("webhook", endpoint)
    await start_deliverer()
    row = await outbox(status="PENDING", attempts=1)
    assert row["last_error"] == f"the receiver answered HTTP {status}" and 3 < row["wait"] <= 6
    owner.execute("update outbox set next_attempt_at = kernel.now()")
    await outbox(status="DELIVERED", attempts=2, last_error=None)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] and first.body == second.body


async def test_a_receiver_may_say_when(
    start_deliverer: Start, put: Put, outbox: Outbox, receiver: Receiver, endpoint: UUID, owner: Any
) -> None:
    receiver.then(429, {"Retry-After": "300"})
    receiver.then(503, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)})
    receiver.then(503, {"Retry-After": "soon"})
    put("webhook", endpoint)
    await start_deliverer()
    for attempt, (least, most) in enumerate([(290, 300), (580, 600), (40, 54)], 1):
        assert least < (await outbox(status="PENDING", attempts=attempt))["wait"] <= most
        owner.execute("update outbox set next_attempt_at = kernel.now()")
    await outbox(status="DELIVERED")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 301, 307])
async def test_a_refusal_is_final_and_an_event_says_so(
    start_deliverer: Start, put: Put, outbox: Outbox, receiver: Receiver, endpoint: UUID, owner: Any, status: int
) -> None:
    receiver.then(status, {"Location": "http://127.0.0.1:1/elsewhere"}, {"your": "fault"})
    put("webhook", endpoint)
    await start_deliverer()
    row = await outbox(status="DEAD", attempts=1)
    assert f"HTTP {status}" in row["last_error"] and len(receiver.received) == 1
    assert owner.execute("select message from events where event_type = 'DELIVERY_DEAD'").fetchall() == [
        (row["last_error"],)
    ]


async def test_an_endpoint_that_is_gone_is_disabled(
    start_deliverer: Start, put: Put, outbox: Outbox, receiver: Receiver, endpoint: UUID, kernel_api: Kernel
) -> None:
    receiver.then(410)
    put("webhook", endpoint)
    await start_deliverer()
    await outbox(status="DEAD")
    [now] = await kernel_api.find_webhooks(endpoint)
    assert not now.enabled and now.disabled_reason == "the receiver answered HTTP 410: it is gone"


async def test_a_receiver_that_is_down_loses_nothing(
    start_deliverer: Start, put: Put, outbox: Outbox, kernel_api: Kernel, owner: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = await kernel_api.create_webhook(f"http://127.0.0.1:{port}/", "", [], SECRET)
    put("webhook", endpoint.endpoint_id)
    await start_deliverer()
    row = await outbox(status="PENDING", attempts=1)
    assert row["last_error"] == "127.0.0.1 gave no answer: ConnectError"
    receiver = Receiver()
    async with LoopServer(receiver, "127.0.0.1", port):
        owner.execute("update outbox set next_attempt_at = kernel.now()")
        await outbox(status="DELIVERED")
    assert len(receiver.received) == 1


async def test_a_receiver_that_is_slow_is_given_up_in_time(
    start_deliverer: Start, put: Put, outbox: Outbox, receiver: Receiver, endpoint: UUID
) -> None:
    receiver.then(0)
    put("webhook", endpoint)
    await start_deliverer(fleet_delivery_timeout_seconds=0.3)
    row = await outbox(status="PENDING", attempts=1)
    assert row["last_error"] in ("no answer within 0.3 s", "127.0.0.1 gave no answer: ReadTimeout")


async def test_a_slow_receiver_of_one_tenant_does_not_hold_up_another(
    start_deliverer: Start,
    put: Put,
    receiver: Receiver,
    receiver_url: str,
    endpoint: UUID,
    kernel_api: Kernel,
    owner: Any,
) -> None:
    for _ in range(40):
        receiver.then(0)
        put("webhook", endpoint)
    await start_deliverer(fleet_delivery_slots=4, fleet_delivery_timeout_seconds=5)
    await receiver.arrived.wait()
    globex, quick = kernel_api.as_tenant("globex", "user:gil@globex.test"), Receiver()
    async with LoopServer(quick, "127.0.0.1", 0) as server:
        await globex.create_webhook(server.url, "", [], SECRET)
        await globex.enqueue_tasks([{"activity_id": "decide", "assignee": "gil@globex.test"}])
        await quick.arrived.wait()
    assert len(receiver.received) < 5


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"]
)
async def test_private_addresses_are_refused_unless_allowed(
    start_deliverer: Start, put: Put, outbox: Outbox, kernel_api: Kernel, host: str
) -> None:
    endpoint = await kernel_api.create_webhook(f"https://{host}/?token=tok3n", "", [], SECRET)
    put("webhook", endpoint.endpoint_id)
    await start_deliverer(fleet_webhook_allow=[])
    row = await outbox(status="DEAD")
    assert "FLEET_WEBHOOK_ALLOW" in row["last_error"] and "tok3n" not in row["last_error"]


async def test_an_endpoint_that_was_deleted_gets_nothing_more(
    start_deliverer: Start, put: Put, outbox: Outbox, receiver: Receiver, endpoint: UUID, kernel_api: Kernel
) -> None:
    put("webhook", endpoint)
    await kernel_api.delete_webhook(endpoint)
    await start_deliverer()
    assert (await outbox(status="DEAD"))["last_error"] == "the webhook endpoint was deleted or disabled"
    assert receiver.received == []


async def test_tls_is_checked_against_the_name_though_the_address_is_pinned(
    start_deliverer: Start, put: Put, outbox: Outbox, kernel_api: Kernel, owner: Any, certificate: tuple[Path, Path]
) -> None:
    receiver = Receiver()
    options = {"ssl_certfile": str(certificate[0]), "ssl_keyfile": str(certificate[1])}
    async with TlsServer(receiver, options) as port:
        endpoint = await kernel_api.create_webhook(f"https://localhost:{port}/", "", [], SECRET)
        put("webhook", endpoint.endpoint_id)
        await start_deliverer()
        await outbox(status="DELIVERED")
        assert receiver.received[0].headers["host"] == f"localhost:{port}"
        owner.execute("delete from outbox")
        other = await kernel_api.create_webhook(f"https://127.0.0.2:{port}/", "", [], SECRET)
        put("webhook", other.endpoint_id)
        assert (await outbox(status="PENDING", attempts=1))["last_error"] == "127.0.0.2 gave no answer: ConnectError"


class TlsServer:
    """Serves over TLS at 127.0.0.1 and 127.0.0.2; gives the port."""

    def __init__(self, app: Receiver, options: dict[str, str]):
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=2, **options)  # type: ignore[arg-type]
        self._server = uvicorn.Server(config)

    async def __aenter__(self) -> int:
        first = socket.create_server(("127.0.0.1", 0))
        port = first.getsockname()[1]
        self._sockets = [first, socket.create_server(("127.0.0.2", port))]
        self._task = asyncio.create_task(self._server.serve(self._sockets))
        return port

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._task
        for listener in self._sockets:
            listener.close()


async def test_neither_secret_nor_address_is_in_a_log_or_an_error(
    start_deliverer: Start, put: Put, outbox: Outbox, receiver: Receiver, endpoint: UUID, owner: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.INFO, "delivery")
    receiver.then(500, content={"echo": SECRET})
    put("webhook", endpoint)
    await start_deliverer()
    await outbox(status="PENDING", attempts=1)
    receiver.then(404)
    owner.execute("update outbox set next_attempt_at = kernel.now()")
    await outbox(status="DEAD")
    said = caplog.text + str(owner.execute("select to_jsonb(o), to_jsonb(e) from outbox o, events e").fetchall())
    assert "HTTP 404" in said
    for secret in (SECRET, SECRET.removeprefix("whsec_"), "tok3n"):
        assert secret not in said
