"""A deliverer that is killed in the middle of sending: another one sends what it held, and nothing is lost."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import FastAPI, Request, Response

from agent_pod.servers import LoopServer
from kernel.functions import Kernel
from process_engine.committing import advance
from process_engine.committing.deployment import deploy

pytestmark = pytest.mark.chaos
MESSAGES = 40
Send = Callable[[Kernel], Awaitable[None]]
SENDER = b"""<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="f" targetNamespace="test">
  <bpmn:process id="sender" isExecutable="true"><bpmn:startEvent id="s"/><bpmn:endEvent id="e">
    <bpmn:messageEventDefinition messageRef="m"/></bpmn:endEvent>
    <bpmn:sequenceFlow id="a" sourceRef="s" targetRef="e"/></bpmn:process>
  <bpmn:message id="m" name="done"/></bpmn:definitions>"""


def start(database_url: str, log: Path, port: int = 0) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "FLEET_WEBHOOK_ALLOW": '["127.0.0.0/8"]',
        "FLEET_DELIVERY_PORT": str(port),
        "FLEET_DELIVERY_TIMEOUT_SECONDS": "5",
        "FLEET_DELIVERY_POLL_SECONDS": "0.2",
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "fleet", "deliver"], env=environment, stdout=output, stderr=output
        )


async def everything_delivered(owner: psycopg.Connection) -> None:
    left = "select 1 from outbox where status <> 'DELIVERED'"
    while owner.execute(left).fetchone():  # noqa: ASYNC110  # another process ends them
        await asyncio.sleep(0.1)


async def notify(kernel: Kernel) -> None:
    """Many notifications: tasks for a person."""
    await kernel.enqueue_tasks([{"activity_id": f"do {n}", "assignee": "ann@acme.test"} for n in range(MESSAGES)])


async def throw_messages(kernel: Kernel) -> None:
    """Many processes that each throw a message which nobody in the tenant takes."""
    await deploy(kernel, SENDER)
    for _ in range(MESSAGES):
        await advance.start(kernel, "sender", {}, "robot")


@pytest.mark.parametrize(("types", "send"), [([], notify), (["MESSAGE"], throw_messages)])
async def test_nothing_is_lost_when_a_deliverer_is_killed_in_the_middle_of_sending(
    types: list[Any], send: Send, database_url: str, kernel_api: Kernel, owner: psycopg.Connection, tmp_path: Path
) -> None:
    seen: dict[str, int] = {}
    sending, all_there, hold = asyncio.Event(), asyncio.Event(), True
    receiver = FastAPI()

    @receiver.post("/")
    async def take(request: Request) -> Response:
        identity = request.headers["webhook-id"]
        seen[identity] = seen.get(identity, 0) + 1
        if len(seen) >= 5:
            sending.set()
        if len(seen) >= MESSAGES:
            all_there.set()
        if hold and len(seen) > 3:
            await asyncio.sleep(30)  # the deliverer is killed while it waits for this answer
        return Response(status_code=204)

    log = tmp_path / "deliverer.log"
    async with LoopServer(receiver, "127.0.0.1", 0) as server:
        endpoint: UUID = (
            await kernel_api.create_webhook(server.url + "/", "", types, "whsec_c2VjcmV0c2VjcmV0")
        ).endpoint_id
        await send(kernel_api)
        first = start(database_url, log)
        async with asyncio.timeout(60):
            await sending.wait()
        first.kill()
        first.wait()
        hold = False
        owner.execute("select * from kernel.set_clock('2 minutes')")  # the leases of the killed one have run out
        second = start(database_url, log)
        try:
            async with asyncio.timeout(60):
                await all_there.wait()
                await everything_delivered(owner)
        finally:
            second.terminate()
            assert second.wait(timeout=20) == 0, log.read_text()
    keys = {key for (key,) in owner.execute("select idempotency_key from outbox").fetchall()}
    assert set(seen) == keys and len(keys) == MESSAGES
    assert any(times > 1 for times in seen.values()), "nothing was under way when it was killed"
    assert endpoint and "whsec_" not in log.read_text()


async def test_a_deliverer_tells_how_it_is_and_ends_on_sigterm(database_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    deliverer = start(database_url, tmp_path / "deliverer.log", port)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, asyncio.timeout(60):
            while True:
                try:
                    ready = await client.get("/readyz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
            health, metrics = await client.get("/healthz"), await client.get("/metrics")
    finally:
        deliverer.terminate()
        assert deliverer.wait(timeout=20) == 0
    assert (ready.status_code, health.status_code) == (200, 200)
    assert 'outbox_due{channel="email"} 0.0' in metrics.text and "deliveries_total" in metrics.text
