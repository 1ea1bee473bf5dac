from typing import Any

import httpx
import pytest

SECRET = "Bearer s3cr3t-of-acme"
CRM: dict[str, Any] = {
    "url": "https://crm.example.org/mcp?tenant=4711",
    "description": "customers",
    "headers": {"Authorization": SECRET, "X-Env": "prod"},
    "allowed_tools": ["find", "create", "find"],
    "idempotent_tools": ["create"],
    "timeout_seconds": 30,
}
SHOWN: dict[str, Any] = {
    "name": "crm",
    "url": "https://crm.example.org/mcp?…",
    "description": "customers",
    "header_names": ["Authorization", "X-Env"],
    "enabled": True,
    "allowed_tools": ["create", "find"],
    "idempotent_tools": ["create"],
    "timeout_seconds": 30,
}


def without_times(server: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in server.items() if name not in ("created_at", "updated_at")}


async def test_a_server_is_saved_switched_and_deleted_and_its_credentials_are_never_shown(
    client: httpx.AsyncClient,
) -> None:
    answers = [await client.put("/mcp-servers/crm", json=CRM)]
    assert without_times(answers[0].json()) == SHOWN
    answers.append(await client.get("/mcp-servers"))
    assert [without_times(server) for server in answers[-1].json()["items"]] == [SHOWN]
    answers.append(await client.patch("/mcp-servers/crm", json={"enabled": False}))
    answers.append(await client.get("/mcp-servers/crm"))
    assert without_times(answers[-1].json()) == {**SHOWN, "enabled": False}
    answers.append(await client.put("/mcp-servers/crm", json={"url": CRM["url"]}))
    assert answers[-1].json()["header_names"] == SHOWN["header_names"], "headers that are left out stay"
    answers.append(await client.delete("/mcp-servers/crm"))
    assert (await client.get("/mcp-servers")).json() == {"items": []}
    answers.append(await client.get("/events", params={"type": "MCP_SERVER_CHANGED"}))
    said = [event["message"] for event in answers[-1].json()["items"]]
    assert said == ["saved crm", "disabled crm", "saved crm", "deleted crm"]
    assert all("s3cr3t" not in answer.text and "4711" not in answer.text for answer in answers)


async def test_stored_credentials_do_not_go_to_another_host(client: httpx.AsyncClient) -> None:
    await client.put("/mcp-servers/crm", json=CRM)
    answer = await client.put("/mcp-servers/crm", json={"url": "https://evil.example/mcp"})
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (422, "mcp_headers_missing")
    assert answer.json()["remedy"] == "Give the headers again, or {} for none."


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"url": "stdio://npx"}, "url", "servers over stdio are not started here"),
        ({"url": "crm.example.org"}, "url", "http or https"),
        ({"url": "https://ann:s3cr3t-word@crm.example.org/"}, "url", "send them in the header Authorization"),
        ({"url": None}, "url", "valid string"),
        ({"headers": {"Bad Name": SECRET}}, "headers", "no name of a header"),
        ({"headers": {"Host": "other"}}, "headers", "Host is written by the pod"),
        ({"headers": {"X-Key": "s3cr3t-\nX: y"}}, "headers", "X-Key should be printable ASCII"),
        ({"headers": {"X-Api-Key": "s3cr3t"}}, "headers", "too short for a credential"),
        ({"headers": {"A": "s3cr3t-1", "a": "s3cr3t-2"}}, "headers", "once, whatever its case"),
        ({"timeout_seconds": 0}, "timeout_seconds", "greater than or equal to 1"),
        ({"transport": "sse"}, "transport", "Extra inputs"),
    ],
)
async def test_what_cannot_be_a_server_is_refused_by_field_without_its_secrets(
    client: httpx.AsyncClient, change: dict[str, Any], field: str, says: str
) -> None:
    answer = await client.put("/mcp-servers/crm", json={**CRM, **change})
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert says in answer.json()["detail"] and "s3cr3t" not in answer.text


async def test_a_field_that_is_missing_shows_nothing_of_the_others(client: httpx.AsyncClient) -> None:
    answer = await client.put("/mcp-servers/crm", json={"headers": {"Authorization": SECRET}})
    assert (answer.status_code, answer.json()["field"]) == (422, "url") and "s3cr3t" not in answer.text


@pytest.mark.parametrize("name", ["a__b", "-crm", "crm_", "x" * 33, "c.r.m"])
async def test_a_name_that_is_no_beginning_of_a_tools_name_is_refused(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.put(f"/mcp-servers/{name}", json=CRM)
    assert (answer.status_code, answer.json()["field"]) == (422, "name")


async def test_another_tenant_has_other_servers(client: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    await client.put("/mcp-servers/crm", json=CRM)
    assert (await globex.get("/mcp-servers")).json() == {"items": []}
    for method in ("GET", "DELETE", "PATCH"):
        body = {"enabled": False} if method == "PATCH" else None
        answer = await globex.request(method, "/mcp-servers/crm", json=body)
        assert (answer.status_code, answer.json()["remedy"]) == (404, "GET /mcp-servers lists them.")
    await globex.put("/mcp-servers/crm", json={"url": "https://globex.example/mcp"})
    assert without_times((await client.get("/mcp-servers/crm")).json()) == SHOWN


async def test_an_mcp_json_is_taken_over_as_far_as_it_can_be(client: httpx.AsyncClient) -> None:
    servers = {
        "office-mcp": {"url": "https://office.example/mcp", "transport": "streamable_http", "timeout": 3},
        "mem0": {"url": "https://mem0.example/mcp", "headers": {"Authorization": SECRET}, "disabled": True},
        "perplexity": {"command": "npx", "args": ["-y", "perplexity"], "env": {"KEY": "s3cr3t"}},
        "old": {"url": "https://old.example/sse"},
        "open": {"url": "https://open.example/mcp", "headers": {"X-Key": "${API_KEY}"}},
        "한국어": {"url": "https://ko.example/mcp"},
        "bare": {},
    }
    answer = await client.post("/mcp-servers/import", json={"mcpServers": servers})
    imported = answer.json()
    assert [(server["name"], server["enabled"]) for server in imported["saved"]] == [
        ("mem0", False), ("office-mcp", True),
    ]  # fmt: skip
    assert imported["ignored"] == {"office-mcp": ["timeout"]}
    reasons = {refusal["name"]: refusal["reason"] for refusal in imported["refused"]}
    assert set(reasons) == {"perplexity", "old", "open", "한국어", "bare"}
    assert "pods start no commands of tenants" in reasons["perplexity"] and "${API_KEY}" in reasons["open"]
    assert "not streamable HTTP" in reasons["old"] and "url" in reasons["bare"] and "s3cr3t" not in answer.text


async def test_a_tenant_has_at_most_fifty_servers(client: httpx.AsyncClient) -> None:
    servers = {f"s{number}": {"url": "https://s.example/mcp"} for number in range(50)}
    assert len((await client.post("/mcp-servers/import", json={"mcpServers": servers})).json()["saved"]) == 50
    answer = await client.put("/mcp-servers/more", json=CRM)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (409, "mcp_servers_full")
    assert (await client.put("/mcp-servers/s1", json=CRM)).status_code == 200
