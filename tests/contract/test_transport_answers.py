"""What both transports answer: the same rows, with values of the same types."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from task_outcomes import outcome

from kernel.functions import Kernel
from kernel.models import Agent, Json
from kernel.postgres import Transport

STRANGE = {
    "text": "Ünïcödé 한국어 🚲 \\ \" ' \n\t\u2028",
    "int": 2**62,
    "float": 0.1,
    "small": 1e-7,
    "none": None,
    "yes": True,
    "list": [1, [2, [3, {}]], ""],
    "": {"deep": {"deeper": [None, False, -1.5]}},
}
CHUNK = {"chunk": 1, "heading": "h", "content": "some words", "embedding": [0.5] * 1536}
DOCUMENT = {"title": "D", "source": "d.md", "media_type": "text/markdown", "content": "some words", "chunks": [CHUNK]}


def first_step(*tasks: Json) -> Json:
    return {"revision": 0, "state": {}, "variables": STRANGE, "ended": False, "cancelled": [], "tasks": list(tasks)}


async def test_a_task_lives_its_whole_life(api: Kernel, pod: Kernel, queue: str) -> None:
    pod_id = uuid4()
    registered = await pod.register_pod(pod_id, "p", [{"id": queue, "description": "d"}], None)
    assert (registered.pod_id, registered.status) == (pod_id, "READY")
    assert await pod.next_task(pod_id, [queue], 60) is None
    assert (await api.deploy_definition("order", "Order", "<bpmn/>", STRANGE, [queue])).is_new is True
    work = {"activity_id": "work", "engine_token": "t", "agent_orch": queue, "input": STRANGE}
    started = await api.start_instance("order", 1, "ann", first_step(work), "key", "f")
    again = await api.start_instance("order", 1, "ann", first_step(work), "key", "f")
    assert (again.proc_inst_id, started.replayed, again.replayed) == (started.proc_inst_id, False, True)
    task = await pod.next_task(pod_id, [queue], 60)
    assert task is not None
    assert (task.proc_inst_id, task.input, task.attempt) == (started.proc_inst_id, STRANGE, 1)
    assert (await pod.renew_lease(task, 90)).state == "renewed"
    call = {"kind": "chat", "name": "m", "request": STRANGE, "response": STRANGE, "outcome": "ok", "latency_ms": 3}
    await pod.record_call(task, {**call, "input_tokens": 7, "output_tokens": 2, "cost_usd": "0.00012300"})
    await pod.report_progress(task, "half", STRANGE)
    await pod.save_task_document(task, "T", "words", [], "m", [CHUNK], uuid4())
    await api.put_mcp_server("crm", "https://crm.example/mcp", headers={"X-Key": "ünicode-key"}, allowed_tools=["find"])
    assert (await api.put_mcp_server("crm", "https://crm.example/v2")).header_names == ["X-Key"], "null: they stay"
    [server] = await pod.task_mcp_servers(task)
    assert (server.headers["X-Key"].get_secret_value(), server.allowed_tools) == ("ünicode-key", [])
    end = {"revision": 1, "state": {}, "variables": STRANGE, "ended": True, "cancelled": [], "tasks": []}
    assert await pod.next_task(pod_id, [], 60, outcome(task, "done", output=STRANGE, step=end)) is None
    instance = await api.get_instance(started.proc_inst_id)
    assert instance is not None and (instance.status, instance.variables) == ("COMPLETED", STRANGE)
    done = await api.get_task(task.task_id)
    assert done is not None and (done.status, done.output) == ("DONE", STRANGE)
    cost = await api.instance_cost(started.proc_inst_id)
    assert (cost.model_calls, cost.input_tokens, cost.cost_usd) == (1, 7, Decimal("0.000123"))
    assert [e.event_type for e in await api.find_events(started.proc_inst_id)][-2:] == [
        "TASK_COMPLETED", "INSTANCE_COMPLETED",
    ]  # fmt: skip
    assert len(await api.search_documents("words", "m", [0.5] * 1536, 5)) == 1
    await pod.heartbeat_pod(pod_id, "STOPPED")


async def test_the_types_of_values_are_those_of_python(api: Kernel, pod: Kernel, queue: str) -> None:
    await pod.register_pod(uuid4(), "p", [{"id": queue, "description": ""}], None)
    await api.enqueue_tasks([{"activity_id": "work", "agent_orch": queue, "input": STRANGE}])
    (row,) = await api.transport.call("find_tasks", api.claims, limit=1)
    assert isinstance(row["created_at"], datetime) and row["created_at"].tzinfo is not None
    assert (type(row["task_id"]), type(row["status"]), type(row["fair_rank"])) == (str, str, int)
    assert (row["input"], row["candidate_groups"], row["finished_at"]) == (STRANGE, [], None)
    (depth,) = [r for r in await api.transport.call("queue_depths", None) if r["queue"] == queue]
    assert (depth["pending_tasks"], type(depth["oldest_pending_seconds"])) == (1, float)
    (cost,) = await api.transport.call("instance_cost", api.claims, proc_inst_id=uuid4())
    assert (cost["cost_usd"], type(cost["cost_usd"]), cost["model_calls"]) == (Decimal(0), Decimal, 0)


def exactly(value: Any) -> Any:
    """`value` with the type of everything in it."""
    if isinstance(value, dict):
        return {key: exactly(inner) for key, inner in value.items()}
    return [exactly(inner) for inner in value] if isinstance(value, list) else (type(value), value)


async def test_both_transports_give_equal_rows_for_every_reading_function(
    open_transport: Callable[[str, str], Transport], tenants: tuple[str, str], queue: str
) -> None:
    direct, project = (open_transport(via, "fleet_api") for via in ("postgres", "supabase"))
    api = Kernel(direct).as_tenant(tenants[0], "user:ann@acme.test")
    pod = Kernel(open_transport("postgres", "fleet_pod"))
    pod_id = uuid4()
    await pod.register_pod(pod_id, "p", [{"id": queue, "description": "d"}], "http://127.0.0.1:1")
    await api.save_agent(Agent(agent_id="a", name="é", role="r", goal="g", persona="p", model=None, tools=["t"]))
    [document] = await api.save_documents("m", [DOCUMENT])
    await api.deploy_definition("order", "Order", "<bpmn/>", STRANGE, [queue])
    await api.put_mcp_server("crm", "https://crm.example/mcp?key=1", headers={"X-Key": "k"}, idempotent_tools=["é"])
    step = first_step({"activity_id": "work", "agent_orch": queue, "agent_id": "a"}, {"activity_id": "ask"})
    instance = (await api.start_instance("order", 1, "ann", step)).proc_inst_id
    task = await pod.next_task(pod_id, [queue], 60)
    assert task is not None
    call = {"kind": "tool", "name": "t", "request": STRANGE, "response": None, "outcome": "ok", "latency_ms": 3}
    await pod.record_call(task, {**call, "input_tokens": 0, "output_tokens": 0, "cost_usd": 0.25})
    reads: list[tuple[str, Json]] = [
        ("find_definitions", {"id": "order"}), ("get_definition", {"id": "order"}),
        ("get_instance", {"proc_inst_id": instance}), ("find_instances", {"status": "RUNNING"}),
        ("get_task", {"task_id": task.task_id}), ("find_tasks", {"proc_inst_id": instance}),
        ("find_events", {"proc_inst_id": instance}), ("find_calls", {"task_id": task.task_id}),
        ("instance_cost", {"proc_inst_id": instance}), ("find_documents", {}), ("get_document", {"doc_id": document}),
        ("search_documents", {"query": "words", "embedding_model": "m", "embedding": [0.5] * 1536, "limit": 5}),
        ("find_mcp_servers", {}),
        ("find_agents", {}), ("find_orchestrators", {}), ("find_pods", {}), ("describe_functions", {}),
    ]  # fmt: skip
    for function, arguments in reads:
        first = await direct.call(function, api.claims, **arguments)
        second = await project.call(function, api.claims, **arguments)
        assert first, f"{function}: nothing to compare"
        assert exactly(first) == exactly(second), function


@pytest.mark.parametrize("status", ["RUNNING", None])
async def test_an_empty_answer_is_no_row(api: Kernel, status: str | None) -> None:
    assert await api.transport.call("find_instances", api.claims, status=status) == []
    assert await api.transport.call("get_task", api.claims, task_id=uuid4()) == []
