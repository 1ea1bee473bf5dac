"""Limits over HTTP: extending a task, an agent's limits, the tenant's budget."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
from psycopg.types.json import Jsonb
from sample_processes import ROBOT

Deploy = Callable[..., Awaitable[str]]


async def test_a_task_that_a_limit_stopped_is_extended_and_its_instance_goes_on(
    client: httpx.AsyncClient, deploy: Deploy, start_pod: Any
) -> None:
    pod = await start_pod()
    started = await client.post("/instances", json={"process_definition_id": await deploy(ROBOT), "variables": {}})
    links = started.json()["links"]
    task = await pod.claim()
    await pod.end(task, "failed", reason="limit reached: tool_calls 1 of 1", retryable=False, log_tail=None)
    assert (await client.get(links["instance"])).json()["status"] == "ERROR"
    more = {"limits": {"tool_calls": 5, "cost_usd": "0.25"}, "reason": "nearly done"}
    extended = await client.post(f"/tasks/{task.task_id}/extend", json=more)
    assert (extended.status_code, extended.json()["status"]) == (200, "PENDING")
    assert (await client.get(links["instance"])).json()["status"] == "RUNNING"
    [event] = (await client.get(links["events"], params={"type": "LIMIT_EXTENDED"})).json()["items"]
    assert (event["actor"], event["message"]) == ("api_key:ci", "nearly done")
    assert event["data"] == {"added": {"tool_calls": 5, "cost_usd": 0.25}}
    told = await pod.kernel.task_limits(await pod.claim())
    assert told.added.given() == {"tool_calls": 5, "cost_usd": 0.25}


async def test_what_is_no_extension_is_refused_with_its_field(client: httpx.AsyncClient, enqueue: Any) -> None:
    [task_id] = await enqueue(agent_orch=None)
    for limits, field in (({"tokens": 0}, "limits.tokens"), ({"dollars": 1}, "limits.dollars")):
        answer = await client.post(f"/tasks/{task_id}/extend", json={"limits": limits, "reason": "why"})
        assert answer.status_code == 422 and field in answer.text
    nothing = await client.post(f"/tasks/{task_id}/extend", json={"limits": {}, "reason": "why"})
    assert (nothing.status_code, nothing.json()["type"]) == (422, "urn:process-fleet:problem:limits_empty")
    persons = await client.post(f"/tasks/{task_id}/extend", json={"limits": {"tokens": 1}, "reason": "why"})
    assert (persons.status_code, persons.json()["type"]) == (409, "urn:process-fleet:problem:task_closed")


async def test_an_agents_limits_are_saved_and_shown(client: httpx.AsyncClient) -> None:
    agent = {"name": "C", "role": "r", "goal": "g", "limits": {"cost_usd": 0.5, "repeats": 4}}
    saved = (await client.put("/agents/clerk", json=agent)).json()
    assert (saved["limits"]["cost_usd"], saved["limits"]["repeats"], saved["limits"]["tokens"]) == ("0.5", 4, None)
    assert (await client.get("/agents")).json()["items"] == [saved]
    assert (await client.put("/agents/clerk", json={**agent, "limits": {"repeats": 0}})).status_code == 422


async def test_the_budget_shows_what_was_used_of_it(
    client: httpx.AsyncClient, owner: psycopg.Connection, start_pod: Any, enqueue: Any
) -> None:
    owner.execute(
        "select * from public.set_tenant_limits('acme', %s, %s)",
        [Jsonb({"tokens": 500}), Jsonb({"day": {"cost_usd": 1.5}})],
    )
    pod = await start_pod()
    await enqueue()
    call = {"kind": "chat", "name": "m", "request": {}, "response": {}, "outcome": "ok", "latency_ms": 1}
    for _ in range(2):
        paid = {"input_tokens": 7, "output_tokens": 2, "cost_usd": "0.01"}
        written = await pod.kernel.record_call(task := await pod.claim(), {**call, **paid})
        await pod.end(task, "released")
    assert written.budget and written.budget.spent["day"].tokens == 18
    told = (await client.get("/budget")).json()
    day, month = told["day"], told["month"]
    assert (told["limits"]["tokens"], day["most_cost_usd"], month["most_cost_usd"]) == (500, "1.5", None)
    assert day["tokens"] == month["tokens"] == 18 and float(day["cost_usd"]) == 0.02
    assert day["ends_at"] <= month["ends_at"]
