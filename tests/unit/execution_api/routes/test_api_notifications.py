"""Notifications over HTTP: whose they are, marking them, and how people want to be told."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from places import Place
from user_tokens import user_token

ANN, GROUP = "ann@acme.test", "group:support"
Client = Callable[..., httpx.AsyncClient]


@pytest.fixture
def ann(open_client: Client, place: Place) -> httpx.AsyncClient:
    token = user_token(app_metadata={"tenant_id": place.tenant, "groups": ["support"]})
    return open_client({"Authorization": f"Bearer {token}"})


@pytest.fixture
async def told(app: Any, place: Place) -> list[int]:
    """Two tasks for Ann, one for Bob and one for the group support: the ids of their notifications."""
    kernel = app.state.services.kernel.as_tenant(place.tenant, "user:boss@acme.test")
    people = [{"assignee": ANN}, {"assignee": "Ann@Acme.test"}, {"assignee": "bob@acme.test"}]
    await kernel.enqueue_tasks(
        [{"activity_id": f"do {n}", **whom} for n, whom in enumerate([*people, {"candidate_groups": ["support"]}])]
    )
    return [n.notify_id for n in reversed(await kernel.find_notifications())]


async def ids(client: httpx.AsyncClient, address: str) -> list[int]:
    answer = await client.get(address)
    assert answer.status_code == 200, answer.text
    return [item["notify_id"] for item in answer.json()["items"]]


async def test_a_user_sees_their_own_and_those_of_their_groups_and_a_key_sees_all(
    ann: httpx.AsyncClient, client: httpx.AsyncClient, told: list[int]
) -> None:
    assert await ids(ann, "/notifications") == [told[1], told[0]]
    assert await ids(ann, f"/notifications?person={GROUP}") == [told[3]]
    assert await ids(client, "/notifications") == told[::-1]
    assert await ids(client, "/notifications?person=bob@acme.test") == [told[2]]
    for foreign in ("bob@acme.test", "group:sales"):
        answer = await ann.get("/notifications", params={"person": foreign})
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (403, "person_foreign")


async def test_notifications_come_in_pages_and_by_filters(client: httpx.AsyncClient, told: list[int]) -> None:
    first = (await client.get("/notifications?limit=3&unread=true&type=TASK_ASSIGNED")).json()
    assert [item["notify_id"] for item in first["items"]] == told[:0:-1]
    assert first["next"] and await ids(client, first["next"]) == [told[0]]
    assert await ids(client, "/notifications?type=INCIDENT") == []
    assert await ids(client, f"/notifications?instance={uuid4()}") == []


async def test_one_notification_or_all_are_marked_as_read(
    ann: httpx.AsyncClient, client: httpx.AsyncClient, told: list[int]
) -> None:
    for number in (told[0], told[3]):
        marked = await ann.put(f"/notifications/{number}/read-flag", json={"read_flag": True})
        assert marked.json()["read_flag"] is True
    assert await ids(ann, "/notifications?unread=true") == [told[1]]
    assert (await ann.put(f"/notifications/{told[2]}/read-flag", json={"read_flag": True})).status_code == 404
    assert (await ann.post("/notifications/read", json={"through": told[3]})).json() == {"marked": 1}
    assert await ids(client, "/notifications?unread=true") == [told[2]]
    assert (await client.put(f"/notifications/{told[2]}/read-flag", json={"read_flag": True})).status_code == 200
    answer = await client.post("/notifications/read", json={"through": told[3]})
    assert (answer.status_code, answer.json()["field"]) == (422, "person")


async def test_what_belongs_to_another_tenant_is_not_there(
    client: httpx.AsyncClient, globex: httpx.AsyncClient, told: list[int]
) -> None:
    webhook = (await client.post("/webhooks", json={"url": "https://example.org"})).json()["endpoint_id"]
    device = {"person": ANN, "token": "t", "platform": "web"}
    device_id = (await client.post("/device-tokens", json=device)).json()["device_id"]
    assert await ids(globex, "/notifications") == []
    for method, path, body in (
        ("PUT", f"/notifications/{told[0]}/read-flag", {"read_flag": True}),
        ("GET", f"/webhooks/{webhook}", None),
        ("PUT", f"/webhooks/{webhook}", {"url": "https://example.org"}),
        ("POST", f"/webhooks/{webhook}/rotate-secret", {"grace_seconds": 0}),
        ("DELETE", f"/webhooks/{webhook}", None),
        ("DELETE", f"/device-tokens/{device_id}", None),
        ("POST", "/deliveries/1/retry", None),
    ):
        assert (await globex.request(method, path, json=body)).status_code == 404, path
    assert (await globex.get("/webhooks")).json()["items"] == []
    assert (await globex.get("/deliveries")).json()["items"] == []


async def test_preferences_are_the_persons_own_and_the_tenant_has_a_default(
    ann: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    assert (await ann.get("/notification-preferences")).json()["updated_at"] is None
    everybody = {"channels": {"INCIDENT": ["email"]}}
    assert (await client.put("/notification-preferences?person=*", json=everybody)).status_code == 200
    quiet = {"begin": "22:00", "end": "07:00", "time_zone": "Asia/Seoul"}
    chosen = await ann.put("/notification-preferences", json={"channels": {"PROCESS_DONE": []}, "quiet": quiet})
    assert chosen.json()["quiet"] == quiet and chosen.json()["email"] == ANN
    assert chosen.json()["channels"] == {
        "TASK_ASSIGNED": ["fcm"], "TASK_REASSIGNED": ["fcm"], "TASK_DUE_SOON": ["fcm"], "TASK_OVERDUE": ["fcm"],
        "PROCESS_DONE": [], "INCIDENT": ["email"],
    }  # fmt: skip
    assert (await client.get("/notification-preferences", params={"person": ANN})).json() == chosen.json()
    assert (await client.get("/notification-preferences")).status_code == 422
    elsewhere = {"channels": {}, "email": "eve@example.org"}
    assert (await ann.put("/notification-preferences", json=elsewhere)).status_code == 403
    assert (await ann.put("/notification-preferences?person=*", json=everybody)).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"channels": {"BIRTHDAY": ["email"]}}, "channels.BIRTHDAY"),
        ({"channels": {"INCIDENT": ["pigeon"]}}, "channels.INCIDENT.0"),
        ({"channels": {}, "quiet": {"begin": "25:00", "end": "07:00", "time_zone": "UTC"}}, "quiet.begin"),
        ({"channels": {}, "quiet": {"begin": "07:00", "end": "07:00", "time_zone": "UTC"}}, "quiet"),
        ({"channels": {}, "quiet": {"begin": "22:00", "end": "07:00", "time_zone": "Moon/Crater"}}, "quiet.time_zone"),
        ({"channels": {}, "quiet": {"begin": "22:00", "end": "07:00", "time_zone": "../x"}}, "quiet.time_zone"),
        ({"channels": {}, "email": "ann"}, "email"),
    ],
)
async def test_preferences_that_make_no_sense_are_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await client.put("/notification-preferences", params={"person": ANN}, json=body)
    assert answer.status_code == 422 and answer.json()["field"].startswith(field), answer.text


async def test_a_device_is_registered_listed_without_its_token_and_removed_by_its_user(
    ann: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    made = await ann.post("/device-tokens", json={"token": "s3cret-token", "platform": "ios"})
    assert made.status_code == 201 and "s3cret-token" not in made.text
    assert (await client.get("/device-tokens", params={"person": ANN})).json()["items"] == [made.json()]
    assert (await ann.post("/device-tokens", json={"person": "bob@acme.test", "token": "t", "platform": "web"})
            ).status_code == 403  # fmt: skip
    gone = await ann.delete(f"/device-tokens/{made.json()['device_id']}")
    assert gone.json() == made.json()
    assert (await ann.delete(f"/device-tokens/{made.json()['device_id']}")).status_code == 404


async def test_the_secret_of_an_endpoint_is_shown_once(client: httpx.AsyncClient) -> None:
    made = await client.post("/webhooks", json={"url": "https://example.org/in?t=1", "types": ["INCIDENT", "INCIDENT"]})
    assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
    assert made.json()["secret"].startswith("whsec_") and made.json()["types"] == ["INCIDENT"]
    endpoint = f"/webhooks/{made.json()['endpoint_id']}"
    change = {"url": "https://example.org/new", "enabled": False}
    answers = [await client.get("/webhooks"), await client.get(endpoint), await client.put(endpoint, json=change)]
    answers.append(await client.delete(endpoint))
    for answer in answers:
        assert answer.status_code == 200 and "whsec_" not in answer.text and "secret" not in answer.json()
    assert answers[3].json()["url"] == "https://example.org/new" and answers[3].json()["enabled"] is False
    assert (await client.get(endpoint)).status_code == 404


async def test_a_secret_is_rotated_with_a_time_in_which_both_hold(client: httpx.AsyncClient) -> None:
    made = (await client.post("/webhooks", json={"url": "https://example.org"})).json()
    endpoint = f"/webhooks/{made['endpoint_id']}"
    assert made["old_secret_until"] is None
    rotated = await client.post(f"{endpoint}/rotate-secret", json={"grace_seconds": 60})
    assert rotated.status_code == 200 and rotated.headers["cache-control"] == "no-store"
    assert rotated.json()["secret"].startswith("whsec_") and rotated.json()["secret"] != made["secret"]
    shown = (await client.get(endpoint)).json()
    assert shown["old_secret_until"] == rotated.json()["old_secret_until"] is not None
    a_day = (await client.post(f"{endpoint}/rotate-secret")).json()["old_secret_until"]
    assert 86_300 < (datetime.fromisoformat(a_day) - datetime.now(UTC)).total_seconds() < 86_500
    [*_, event] = (await client.get("/events?type=WEBHOOK_SECRET_ROTATED")).json()["items"]
    assert event["data"] == {"endpoint_id": made["endpoint_id"], "grace_seconds": 86_400}


@pytest.mark.parametrize("seconds", [-1, 2_592_001, "soon"])
async def test_a_time_of_grace_that_is_none_is_refused(client: httpx.AsyncClient, seconds: object) -> None:
    made = (await client.post("/webhooks", json={"url": "https://example.org"})).json()
    refused = await client.post(f"/webhooks/{made['endpoint_id']}/rotate-secret", json={"grace_seconds": seconds})
    assert (refused.status_code, refused.json()["field"]) == (422, "grace_seconds")


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org", "https://", "https://user:pass@example.org", "example.org", "https://a b", "https://x:0"],
)
async def test_an_address_that_is_none_is_refused(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.post("/webhooks", json={"url": url})
    assert (answer.status_code, answer.json()["field"]) == (422, "url")


async def test_a_tenant_has_twenty_endpoints(client: httpx.AsyncClient) -> None:
    for _ in range(20):
        assert (await client.post("/webhooks", json={"url": "https://example.org"})).status_code == 201
    full = await client.post("/webhooks", json={"url": "https://example.org"})
    assert (full.status_code, full.json()["type"].rpartition(":")[2]) == (409, "webhooks_full")


async def test_deliveries_are_listed_and_a_dead_one_is_sent_after_all(
    client: httpx.AsyncClient, shared_database: Any, place: Place, app: Any
) -> None:
    await client.post("/webhooks", json={"url": "https://example.org"})
    kernel = app.state.services.kernel.as_tenant(place.tenant, "user:boss@acme.test")
    await kernel.enqueue_tasks([{"activity_id": "do", "assignee": ANN}])
    [delivery] = (await client.get("/deliveries?status=PENDING")).json()["items"]
    again = f"/deliveries/{delivery['outbox_id']}/retry"
    assert (await client.post(again)).status_code == 409
    bury = "update outbox set status = 'DEAD', attempts = 14, finished_at = now() where tenant_id = %s"
    shared_database.execute(bury, [place.tenant])
    assert (await client.get("/deliveries?status=PENDING")).json()["items"] == []
    sent = (await client.post(again)).json()
    assert (sent["outbox_id"], sent["status"], sent["attempts"]) == (delivery["outbox_id"], "PENDING", 0)
