"""A tenant that has one of everything, and the OpenAPI document with its ids as the values to send."""

import copy
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
from dmn_files import RATES
from sample_processes import FORM, NEEDS_AMOUNT, REFUND, ROBOT, process

from kernel.functions import Kernel

Json = dict[str, Any]
PAID = process("paid", "startEvent s, receiveTask wait, endEvent e", "s -> wait, wait -> e").replace(
    "</bpmn:process>", '</bpmn:process><bpmn:message id="m" name="paid" />'
)
_XML = {"Content-Type": "application/xml"}
_CALL = {"kind": "tool", "name": "ask_person", "request": {}, "outcome": "started", "call_key": "k", "occurrence": 1}
_COSTS = {"input_tokens": 0, "output_tokens": 0, "cost_usd": "0", "latency_ms": 0, "replayable": True}


async def fill(client: httpx.AsyncClient, pod: Kernel, person: str) -> dict[str, list[Any]]:
    """Make one of everything as an admin; `person` is assigned what people get. Returns name of a field -> values."""

    async def send(method: str, address: str, **request: Any) -> Json:
        answer = await client.request(method, address, **request)
        assert answer.is_success, f"{method} {address}: {answer.text}"
        return answer.json()

    pod_id = uuid4()
    await pod.register_pod(pod_id, "p", [{"id": "echo", "description": ""}], None)
    for bpmn in (REFUND, REFUND.replace("<bpmn:", "\n<bpmn:", 1), ROBOT, FORM, NEEDS_AMOUNT):
        await send("POST", "/process-definitions", content=bpmn, headers=_XML)
    await send("POST", "/decisions", content=RATES, headers=_XML)
    for definition in ("robot", "robot", "robot", "refund", "with_form", "with_form", "needs_amount"):
        body = {"process_definition_id": definition, "variables": {"amount": 20}, "initiator": person}
        await send("POST", "/instances", json=body)
    failed, asking = [await pod.next_task(pod_id, ["echo"], 600) for _ in range(2)]
    assert failed and asking
    call_id = (await pod.record_call(asking, {**_CALL, **_COSTS})).call_id
    await pod.ask_question(asking, call_id, {"kind": "person", "question": "May I?", "assignee": person})
    await pod.suspend_task(asking, [call_id])
    await pod.next_task(pod_id, [], 600, _broken(failed))
    await send("PUT", "/agents/clerk", json={"name": "Clerk", "role": "r", "goal": "g"})
    await send("POST", "/documents", files={"files": ("rules.md", "# Rules\n\nPay within a week.")})
    await send("POST", "/webhooks", json={"url": "https://hooks.example/in", "types": ["INCIDENT"]})
    await send("POST", "/device-tokens", json={"person": person, "token": "t" * 40, "platform": "android"})
    await send("POST", "/messages", json={"name": "paid", "correlation_key": "4711", "variables": {}})
    await send("POST", "/api-keys", json={"name": "spare", "role": "viewer"})
    await send("POST", "/kill-switches", json={"scope": "agent", "key": "clerk", "reason": "a drill"})
    for task in (await send("GET", "/tasks"))["items"][:3]:
        await send("POST", f"/tasks/{task['task_id']}/reassign", json={"person": person})
    return {name: values async for name, values in _collect(send, person)}


def _broken(task: Any) -> Json:
    return {
        "tenant_id": task.tenant_id,
        "task_id": str(task.task_id),
        "proc_inst_id": str(task.proc_inst_id),
        "fencing_token": task.fencing_token,
        "outcome": "failed",
        "reason": "it broke",
        "retryable": False,
        "log_tail": "",
    }


async def _collect(send: Any, person: str) -> Any:
    for address, field, names in (
        ("/instances", "id", ("instance_id", "instance", "process_instance_id", "proc_inst_id")),
        ("/tasks?status=ALL", "task_id", ("task_id", "task")),
        ("/process-definitions", "id", ("definition_id", "definition", "process_definition_id")),
        ("/decisions", "id", ("decision_id",)),
        ("/documents", "doc_id", ("document_id", "doc_id")),
        ("/questions", "question_id", ("question_id",)),
        ("/agents", "agent_id", ("agent_id", "agent")),
        ("/webhooks", "endpoint_id", ("endpoint_id",)),
        (f"/device-tokens?person={person}", "device_id", ("device_id",)),
        ("/notifications", "notify_id", ("notify_id",)),
        ("/deliveries", "outbox_id", ("outbox_id",)),
        ("/api-keys", "key_id", ("key_id",)),
        ("/kill-switches", "switch_id", ("switch_id",)),
        ("/tasks?status=ALL", "activity_id", ("activity_id", "activity")),
    ):
        found = await send("GET", address)
        items = found if isinstance(found, list) else found["items"]
        assert items, f"{address} is empty"
        for name in names:
            yield name, sorted({item[field] for item in items}, key=str)
    yield "version", [1, 2]
    yield "queue", ["echo"]
    yield "person", [person]
    yield "email", [person]


def with_values(document: Json, values: dict[str, list[Any]]) -> Json:
    """The `document` where each parameter and field of a request with a name in `values` is one of these.

    What it says about answers is as it was.
    """
    seeded = copy.deepcopy(document)
    for operation in (operation for operations in seeded["paths"].values() for operation in operations.values()):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            content["schema"] = _without_references(content["schema"], document)
        for name, holder, key in _named_schemas([operation.get("parameters", []), operation.get("requestBody", {})]):
            if name in values:
                holder[key] = {"enum": values[name]}
    return seeded


def bounded(document: Json) -> Json:
    """The `document` without streams, which have no end, and with a short `wait`."""
    finite = copy.deepcopy(document)
    for path in [path for path in finite["paths"] if path.endswith("/stream")]:
        del finite["paths"][path]
    for name, holder, key in _named_schemas(finite["paths"]):
        if name == "wait":
            holder[key]["maximum"] = 0.02
    return finite


def _without_references(schema: Any, document: Json) -> Any:
    if isinstance(schema, list):
        return [_without_references(inner, document) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _without_references(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    return {name: _without_references(inner, document) for name, inner in schema.items() if name != "examples"}


def _named_schemas(node: Any) -> Iterator[tuple[str, Json, str]]:
    if isinstance(node, list):
        for inner in node:
            yield from _named_schemas(inner)
    elif isinstance(node, dict):
        if "in" in node and "schema" in node:
            yield node["name"], node, "schema"
        if isinstance(node.get("properties"), dict):
            for name in node["properties"]:
                yield name, node["properties"], name
        for inner in list(node.values()):
            yield from _named_schemas(inner)
