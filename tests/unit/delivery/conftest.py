"""Deliverers over a fresh database, and receivers on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from certificates import write_certificate
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from pydantic import SecretStr
from receivers import Receiver
from sample_payload import PAYLOAD

from agent_pod.servers import LoopServer
from delivery.channels import open_channels
from delivery.deliverer import Deliverer
from delivery.metrics import DeliveryMetrics
from delivery.settings import DeliverySettings
from kernel.functions import Kernel
from kernel.notification_models import OutboxChannel
from kernel.postgres import PostgresConnection, PostgresPool

Row = Mapping[str, Any]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate of these tests is the only one that is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def receiver_url(receiver: Receiver) -> AsyncIterator[str]:
    async with LoopServer(receiver, "127.0.0.1", 0) as server:
        yield server.url


@pytest.fixture
async def start_deliverer(database_url: str) -> AsyncIterator[Callable[..., Awaitable[Deliverer]]]:
    """Starts deliverers: `await start_deliverer(fleet_smtp_host=…)`; they may reach loopback unless told otherwise."""
    async with AsyncExitStack() as stack:

        async def start(**given: Any) -> Deliverer:
            loopback = {"fleet_webhook_allow": ["127.0.0.0/8", "::1/128"], "fleet_delivery_timeout_seconds": 5}
            settings = DeliverySettings(
                database_url=SecretStr(database_url), fleet_delivery_poll_seconds=0.1, **{**loopback, **given}
            )
            channels = await stack.enter_async_context(open_channels(settings))
            pool = await stack.enter_async_context(PostgresPool(database_url, "fleet_deliver", 4))
            ear = PostgresConnection(database_url, "fleet_deliver")
            deliverer = Deliverer(
                Kernel(pool),
                ear,
                channels,
                DeliveryMetrics(),
                settings.fleet_delivery_slots,
                settings.fleet_delivery_timeout_seconds,
                settings.fleet_delivery_poll_seconds,
            )
            running = asyncio.create_task(deliverer.run())

            async def end() -> None:
                deliverer.stop()
                await running
                await ear.close()

            stack.push_async_callback(end)
            return deliverer

        yield start


@pytest.fixture
def put(owner: psycopg.Connection) -> Callable[..., None]:
    """Puts a delivery into the outbox of acme: `put("email", "ann@acme.test", key="k")`."""

    def add(channel: str, destination: object, key: str | None = None, payload: Any = PAYLOAD) -> None:
        owner.execute(
            "select kernel.put_outbox('acme', %s::text::public.outbox_channel, %s, %s, %s, null, null, kernel.now(),"
            " kernel.now())",
            [OutboxChannel(channel), str(destination), Jsonb(payload), key],
        )

    return add


@pytest.fixture
def outbox(owner: psycopg.Connection) -> Callable[..., Awaitable[Row]]:
    """Waits until the one row of the outbox is as wanted: `await outbox(status="DEAD")`; returns it with `wait`, the
    seconds until its next attempt."""

    async def until(**wanted: Any) -> Row:
        deadline = time.monotonic() + 20
        row: Row = {}
        while time.monotonic() < deadline:
            with owner.cursor(row_factory=dict_row) as cursor:
                [row] = cursor.execute(
                    "select *, extract(epoch from next_attempt_at - kernel.now())::float as wait from outbox"
                ).fetchall()
            if all(row[name] == value for name, value in wanted.items()):
                return row
            await asyncio.sleep(0.02)
        raise AssertionError(f"wanted {wanted}, still {row}")

    return until
