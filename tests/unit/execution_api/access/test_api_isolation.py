from typing import Any
from uuid import UUID

import httpx

Ids = tuple[UUID, UUID]


async def test_what_belongs_to_another_tenant_is_404_everywhere(
    client: httpx.AsyncClient, globex: httpx.AsyncClient, started: Ids
) -> None:
    upload = await client.post("/documents", files={"files": ("a.md", b"# Title\n\nwords")})
    instance, task = started
    submit = {"input": {"process_instance_id": str(instance), "task_id": str(task)}}
    requests: list[tuple[str, str, dict[str, Any] | None]] = [
        ("GET", f"/instances/{instance}", None),
        ("GET", f"/instances/{instance}/events", None),
        ("GET", f"/instances/{instance}/calls", None),
        ("POST", f"/instances/{instance}/cancel", {"reason": "theirs"}),
        ("POST", "/instances", {"process_definition_id": "refund"}),
        ("GET", f"/tasks/{task}", None),
        ("POST", f"/tasks/{task}/submit", {"output": {}}),
        ("POST", "/complete", submit),
        ("GET", "/process-definitions/refund", None),
        ("GET", "/process-definitions/refund/xml", None),
        ("GET", "/process-definitions/refund/versions/1", None),
        ("GET", "/process-definitions/refund/versions/1/xml", None),
        ("GET", f"/documents/{upload.json()['items'][0]['doc_id']}", None),
        ("DELETE", f"/documents/{upload.json()['items'][0]['doc_id']}", None),
    ]
    for method, address, body in requests:
        answer = await globex.request(method, address, json=body)
        assert answer.status_code == 404, (method, address, answer.text)
        assert answer.json().get("remedy", "").find("refund") == -1
    assert (await client.get(f"/instances/{instance}")).json()["status"] == "RUNNING"


async def test_the_lists_of_another_tenant_are_empty(
    client: httpx.AsyncClient, globex: httpx.AsyncClient, started: Ids
) -> None:
    await client.post("/documents", files={"files": ("a.md", b"# Title\n\nwords")})
    await client.put("/agents/clerk", json={"name": "n", "role": "r", "goal": "g"})
    for address in (
        "/instances", "/tasks?status=ALL", f"/tasks?instance={started[0]}", "/events", "/process-definitions",
        "/documents", "/documents/search?q=words", "/agents",
    ):  # fmt: skip
        assert (await client.get(address)).json()["items"] != [], address
        assert (await globex.get(address)).json()["items"] == [], address
