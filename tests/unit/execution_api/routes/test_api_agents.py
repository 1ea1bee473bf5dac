from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

CLERK: dict[str, Any] = {"name": "Clerk", "role": "clerk", "goal": "be exact", "persona": "calm", "tools": ["search"]}


async def test_an_agent_is_added_and_replaced(client: httpx.AsyncClient) -> None:
    answer = await client.put("/agents/clerk", json=CLERK)
    assert answer.json() == {"agent_id": "clerk", "model": None, **CLERK, "limits": answer.json()["limits"]}
    assert set(answer.json()["limits"].values()) == {None}
    await client.put("/agents/clerk", json={"name": "Clerk", "role": "r", "goal": "g", "model": "gpt-5"})
    [agent] = (await client.get("/agents")).json()["items"]
    assert (agent["role"], agent["model"], agent["persona"], agent["tools"]) == ("r", "gpt-5", "", [])


@pytest.mark.parametrize(
    ("agent_id", "changes", "field"),
    [
        ("-", {}, "agent_id"),
        ("x" * 101, {}, "agent_id"),
        ("clerk", {"name": ""}, "name"),
        ("clerk", {"tools": [""]}, "tools.0"),
        ("clerk", {"goal": None}, "goal"),
        ("clerk", {"temperature": 1}, "temperature"),
    ],
)
async def test_an_agent_that_is_not_complete_is_refused_by_field(
    client: httpx.AsyncClient, agent_id: str, changes: dict[str, Any], field: str
) -> None:
    answer = await client.put(f"/agents/{agent_id}", json={**CLERK, **changes})
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_orchestrators_and_pods_are_listed(
    client: httpx.AsyncClient, start_pod: Callable[..., Awaitable[Any]]
) -> None:
    pod = await start_pod(serves=("echo", "browser"), name="pod-7")
    orchestrators = (await client.get("/orchestrators")).json()["items"]
    assert [orchestrator["id"] for orchestrator in orchestrators] == ["browser", "echo"]
    [shown] = (await client.get("/pods")).json()["items"]
    assert (shown["pod_id"], shown["name"], shown["status"]) == (str(pod.pod_id), "pod-7", "READY")
    assert sorted(shown["serves"]) == ["browser", "echo"]
