from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from places import Place

from kernel.migrate import hash_api_key

Client = Callable[..., httpx.AsyncClient]


async def made(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/api-keys", json={"name": "shop", "role": "worker", **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_a_key_is_shown_once_and_opens_what_its_role_may(client: httpx.AsyncClient, open_client: Client) -> None:
    key = await made(client)
    shop = open_client({"X-API-Key": key["key"]})
    assert (await shop.get("/tasks")).status_code == 200
    assert (await shop.get("/api-keys")).status_code == 403
    listed = await client.get("/api-keys")
    assert key["key"] not in listed.text
    assert hash_api_key(key["key"]) not in listed.text
    assert [item["name"] for item in listed.json()["items"]] == ["shop", "ci"]


async def test_scopes_beyond_the_role_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api-keys", json={"name": "x", "role": "viewer", "scopes": ["read", "administer"]})
    assert (answer.status_code, answer.json()["field"]) == (422, "scopes")


async def test_a_key_ends_when_it_expires(
    client: httpx.AsyncClient, open_client: Client, set_clock: Callable[[float], object]
) -> None:
    key = await made(client, expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    shop = open_client({"X-API-Key": key["key"]})
    assert (await shop.get("/tasks")).status_code == 200
    set_clock(3700)
    assert (await shop.get("/tasks")).status_code == 401


async def test_a_key_cannot_have_expired_before_it_is_made(client: httpx.AsyncClient) -> None:
    body = {"name": "x", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}
    answer = await client.post("/api-keys", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:expires_at")


async def test_after_a_rotation_the_old_key_is_valid_for_the_time_of_grace(
    client: httpx.AsyncClient, open_client: Client, set_clock: Callable[[float], object]
) -> None:
    old = await made(client)
    new = (await client.post(f"/api-keys/{old['key_id']}/rotate", json={"grace_seconds": 60})).json()
    assert (new["key_id"], new["key"] != old["key"]) == (old["key_id"], True)
    clients = [open_client({"X-API-Key": key["key"]}) for key in (old, new)]
    assert [(await c.get("/tasks")).status_code for c in clients] == [200, 200]
    set_clock(61)
    assert [(await c.get("/tasks")).status_code for c in clients] == [401, 200]


async def test_a_rotation_without_grace_ends_the_old_key_at_once(
    client: httpx.AsyncClient, open_client: Client
) -> None:
    old = await made(client)
    await client.post(f"/api-keys/{old['key_id']}/rotate", json={"grace_seconds": 0})
    assert (await open_client({"X-API-Key": old["key"]}).get("/tasks")).status_code == 401


async def test_a_revoked_key_is_refused_at_once_with_the_one_before_it(
    client: httpx.AsyncClient, open_client: Client
) -> None:
    old = await made(client)
    new = (await client.post(f"/api-keys/{old['key_id']}/rotate")).json()
    revoked = await client.delete(f"/api-keys/{old['key_id']}")
    assert revoked.json()["revoked_at"] is not None
    for key in (old, new):
        assert (await open_client({"X-API-Key": key["key"]}).get("/tasks")).status_code == 401
    for again in (await client.delete(f"/api-keys/{old['key_id']}"),
                  await client.post(f"/api-keys/{old['key_id']}/rotate")):  # fmt: skip
        assert (again.status_code, again.json()["type"]) == (409, "urn:process-fleet:problem:api_key_revoked")


async def test_the_last_use_is_written_at_most_once_a_minute(
    client: httpx.AsyncClient,
    open_client: Client,
    owner: psycopg.Connection,
    set_clock: Callable[[float], object],
) -> None:
    key = await made(client)
    assert key["last_used_at"] is None
    shop, address = open_client({"X-API-Key": key["key"]}), f"/api-keys/{key['key_id']}"
    await shop.get("/tasks")
    first = (await client.get(address)).json()["last_used_at"]
    assert first is not None
    version = "select xmin::text from api_key where key_id = %s"
    before = owner.execute(version, [key["key_id"]]).fetchone()
    await shop.get("/tasks")
    assert owner.execute(version, [key["key_id"]]).fetchone() == before
    set_clock(61)
    await shop.get("/tasks")
    assert (await client.get(address)).json()["last_used_at"] > first


async def test_keys_of_another_tenant_are_404(client: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    key = await made(client)
    for key_id in (key["key_id"], str(uuid4())):
        answers = [
            await globex.get(f"/api-keys/{key_id}"),
            await globex.post(f"/api-keys/{key_id}/rotate"),
            await globex.delete(f"/api-keys/{key_id}"),
        ]
        assert [a.json()["type"].rsplit(":")[-1] for a in answers] == ["api_key_unknown"] * 3
    assert [item["name"] for item in (await globex.get("/api-keys")).json()["items"]] == ["ci"]


async def test_what_is_done_to_a_key_is_an_event_without_the_key(client: httpx.AsyncClient, place: Place) -> None:
    key = await made(client)
    await client.delete(f"/api-keys/{key['key_id']}")
    answer = await client.get("/events", params={"type": "API_KEY_CHANGED"})
    assert [event["message"] for event in answer.json()["items"]] == ["created shop", "revoked shop"]
    assert key["key"] not in answer.text
    assert hash_api_key(key["key"]) not in answer.text
