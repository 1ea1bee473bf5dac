"""Messages that processes send: what nobody in the tenant takes leaves by the outbox, at least once."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import psycopg
import pytest
from receivers import Receiver
from sample_payload import SECRET

from kernel.functions import Kernel
from process_engine.committing import advance
from process_engine.committing.deployment import deploy

Start = Callable[..., Awaitable[Any]]
Outbox = Callable[..., Awaitable[Any]]
_numbers = count(1)
SENDER = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="file" targetNamespace="test">
  <bpmn:process id="{}" isExecutable="true"><bpmn:startEvent id="s"/><bpmn:sendTask id="t" messageRef="m">
    <bpmn:extensionElements><zeebe:ioMapping><zeebe:input source="=sku" target="item"/></zeebe:ioMapping>
    </bpmn:extensionElements></bpmn:sendTask><bpmn:endEvent id="e"/>
    <bpmn:sequenceFlow id="f" sourceRef="s" targetRef="t"/><bpmn:sequenceFlow id="g" sourceRef="t" targetRef="e"/>
  </bpmn:process><bpmn:message id="m" name="ship"><bpmn:extensionElements>
    <zeebe:subscription correlationKey="=order"/></bpmn:extensionElements></bpmn:message></bpmn:definitions>"""


@pytest.fixture
async def send(kernel_api: Kernel) -> Callable[[], Awaitable[Any]]:
    """Starts a process that sends the message ship; returns its instance's id."""
    name = f"sender{next(_numbers)}"
    await deploy(kernel_api, SENDER.format(name).encode())

    async def start() -> Any:
        return (await advance.start(kernel_api, name, {"sku": "A-1", "order": 4711}, "robot")).proc_inst_id

    return start


async def test_a_message_that_nobody_takes_leaves_signed_even_when_its_receiver_is_down_at_first(
    start_deliverer: Start,
    kernel_api: Kernel,
    outbox: Outbox,
    receiver: Receiver,
    receiver_url: str,
    owner: psycopg.Connection,
    send: Callable[[], Awaitable[Any]],
) -> None:
    await kernel_api.create_webhook(f"{receiver_url}/in", "", ["MESSAGE"], SECRET)
    receiver.then(503)
    await start_deliverer()
    instance = await send()
    down = await outbox(status="PENDING", attempts=1, last_error="the receiver answered HTTP 503")
    owner.execute("select kernel.set_clock(make_interval(secs => %s))", [down["wait"] + 1])
    up = await outbox(status="DELIVERED")
    first, second = receiver.received
    assert (up["channel"], up["attempts"], up["proc_inst_id"]) == ("message", 2, instance)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == up["idempotency_key"]
    assert first.body == second.body
    assert second.json["type"] == "MESSAGE" and second.headers["webhook-signature"].startswith("v1,")
    said = second.json["data"]
    assert (said["name"], said["correlation_key"], said["variables"]) == ("ship", "4711", {"item": "A-1"})
    assert (said["tenant_id"], said["proc_inst_id"]) == ("acme", str(instance))


async def test_a_message_that_a_process_of_the_tenant_takes_stays_inside(
    kernel_api: Kernel, owner: psycopg.Connection, send: Callable[[], Awaitable[Any]]
) -> None:
    await kernel_api.create_webhook("https://example.org/in", "", ["MESSAGE"], SECRET)
    starter = (
        SENDER.format(f"taker{next(_numbers)}")
        .replace("=order", "=1")
        .replace('sendTask id="t" messageRef="m"', 'userTask id="t"')
    )
    starter = starter.replace("</bpmn:sendTask>", "</bpmn:userTask>").replace(
        '<bpmn:startEvent id="s"/>',
        '<bpmn:startEvent id="s"><bpmn:messageEventDefinition messageRef="m"/></bpmn:startEvent>',
    )
    await deploy(kernel_api, starter.encode())
    await send()
    assert owner.execute("select channel from outbox where channel = 'message'").fetchall() == []


async def test_messages_go_to_endpoints_that_ask_for_them_alone(
    kernel_api: Kernel, owner: psycopg.Connection, send: Callable[[], Awaitable[Any]]
) -> None:
    await kernel_api.create_webhook("https://example.org/all-notifications", "", [], SECRET)
    wants = await kernel_api.create_webhook("https://example.org/messages", "", ["MESSAGE"], SECRET)
    await send()
    found = owner.execute("select destination from outbox where channel = 'message'").fetchall()
    assert found == [(str(wants.endpoint_id),)]
    await kernel_api.publish_message("asked_from_outside", "", {}, 60, "bob")
    assert owner.execute("select count(*) from outbox where channel = 'message'").fetchone() == (1,)
