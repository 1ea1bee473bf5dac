"""/messages and /signals: events from outside reach the processes that wait for them."""

import asyncio
from typing import Any

import httpx
import pytest

PAYMENT = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="f" targetNamespace="http://example.org/payment">
  <bpmn:process id="payment" isExecutable="true">
    <bpmn:startEvent id="ordered" />
    <bpmn:sequenceFlow id="f1" sourceRef="ordered" targetRef="first" />
    <bpmn:eventBasedGateway id="first" />
    <bpmn:sequenceFlow id="f2" sourceRef="first" targetRef="paid" />
    <bpmn:sequenceFlow id="f3" sourceRef="first" targetRef="stopped" />
    <bpmn:intermediateCatchEvent id="paid"><bpmn:messageEventDefinition messageRef="m" /></bpmn:intermediateCatchEvent>
    <bpmn:intermediateCatchEvent id="stopped"><bpmn:signalEventDefinition signalRef="s" /></bpmn:intermediateCatchEvent>
    <bpmn:sequenceFlow id="f4" sourceRef="paid" targetRef="done" />
    <bpmn:sequenceFlow id="f5" sourceRef="stopped" targetRef="done" />
    <bpmn:endEvent id="done" />
  </bpmn:process>
  <bpmn:message id="m" name="paid">
    <bpmn:extensionElements><zeebe:subscription correlationKey="=order" /></bpmn:extensionElements>
  </bpmn:message>
  <bpmn:signal id="s" name="stop" />
</bpmn:definitions>"""


async def start(client: httpx.AsyncClient, order: str) -> str:
    await client.post("/process-definitions", content=PAYMENT, headers={"Content-Type": "application/xml"})
    body = {"process_definition_id": "payment", "variables": {"order": order}}
    return (await client.post("/instances", json=body)).json()["process_instance_id"]


async def ended(client: httpx.AsyncClient, instance_id: str) -> dict[str, Any]:
    """The instance, once it has come to its end."""
    for _ in range(200):
        instance = (await client.get(f"/instances/{instance_id}")).json()
        if instance["status"] != "RUNNING":
            return instance
        await asyncio.sleep(0.05)
    raise AssertionError(f"{instance_id} is still running")


async def test_a_message_moves_the_instance_with_its_key_on(client: httpx.AsyncClient) -> None:
    instance_id, other = await start(client, "17"), await start(client, "18")
    answer = await client.post("/messages", json={"name": "paid", "correlation_key": "17", "variables": {"amount": 5}})
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["proc_inst_id"]) == ("correlated", instance_id)
    instance = await ended(client, instance_id)
    assert (instance["status"], instance["variables"]["amount"]) == ("COMPLETED", 5)
    assert (await client.get(f"/instances/{other}")).json()["status"] == "RUNNING"


async def test_a_message_sent_twice_under_one_key_is_one(client: httpx.AsyncClient) -> None:
    body, headers = {"name": "paid", "correlation_key": "19"}, {"Idempotency-Key": "payment-19"}
    answers = [await client.post("/messages", json=body, headers=headers) for _ in range(2)]
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]
    assert answers[0].json()["message_id"] == answers[1].json()["message_id"]
    other = await client.post("/messages", json={**body, "correlation_key": "20"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:process-fleet:problem:idempotency_key_reused")


async def test_a_signal_moves_everybody_on_who_waits(client: httpx.AsyncClient) -> None:
    instances = [await start(client, "1"), await start(client, "2")]
    answer = await client.post("/signals", json={"name": "stop"}, headers={"Idempotency-Key": "s-1"})
    assert (answer.status_code, answer.json()["reached"]) == (202, 2)
    assert [(await ended(client, instance_id))["status"] for instance_id in instances] == ["COMPLETED"] * 2
    again = await client.post("/signals", json={"name": "stop"}, headers={"Idempotency-Key": "s-1"})
    assert again.json() == {"reached": 2, "replayed": True}


async def test_events_of_other_tenants_reach_nobody_here(client: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    await start(client, "17")
    message = await globex.post("/messages", json={"name": "paid", "correlation_key": "17"})
    assert message.json()["status"] == "kept"
    assert (await globex.post("/signals", json={"name": "stop"})).json()["reached"] == 0


@pytest.mark.parametrize(
    ("address", "body", "field"),
    [
        ("/messages", {"name": ""}, "name"),
        ("/messages", {"name": "paid", "ttl_seconds": -1}, "ttl_seconds"),
        ("/messages", {"name": "paid", "ttl_seconds": 2_592_001}, "ttl_seconds"),
        ("/messages", {"name": "paid", "key": "1"}, "key"),
        ("/signals", {"name": "stop", "correlation_key": "1"}, "correlation_key"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, address: str, body: dict[str, Any], field: str
) -> None:
    answer = await client.post(address, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
