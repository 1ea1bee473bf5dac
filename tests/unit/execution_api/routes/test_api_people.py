"""Who may take and submit a task: the assignee, candidates, and those who operate."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from places import Place
from sample_processes import process
from user_tokens import user_token

Client = Callable[..., httpx.AsyncClient]
Deploy = Callable[..., Awaitable[str]]
Ids = tuple[UUID, UUID]
FOR_ANYBODY = process("anybody", "startEvent s, userTask check, endEvent e", "s -> check, check -> e")


@pytest.fixture
def person(open_client: Client, place: Place) -> Callable[..., httpx.AsyncClient]:
    """Clients of people: `person("bob", "support", role="operator")`."""

    def of(name: str, *groups: str, role: str = "worker") -> httpx.AsyncClient:
        token = user_token(place.tenant, email=f"{name}@acme.test", groups=list(groups), fleet_role=role)
        return open_client({"Authorization": f"Bearer {token}"})

    return of


def word(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rsplit(":")[-1]


async def inbox(client: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get("/inbox", params=query)
    assert answer.status_code == 200, answer.text
    return [task["task_id"] for task in answer.json()["items"]]


async def test_only_members_of_its_groups_may_submit_a_task(person: Client, started: Ids) -> None:
    address = f"/tasks/{started[1]}/submit"
    assert word(await person("eve", "sales").post(address, json={"output": {}})) == (403, "task_foreign")
    assert word(await person("eve").post(address, json={"output": {}})) == (403, "task_foreign")
    assert (await person("bob", "support").post(address, json={"output": {}})).json()["status"] == "DONE"


async def test_complete_holds_strangers_off_as_well(person: Client, started: Ids) -> None:
    body = {"input": {"process_instance_id": str(started[0]), "task_id": str(started[1])}}
    assert word(await person("eve").post("/complete", json=body)) == (403, "task_foreign")
    assert (await person("bob", "support").post("/complete", json=body)).status_code == 202


async def test_a_task_without_assignee_and_groups_is_for_every_worker(
    client: httpx.AsyncClient, person: Client, deploy: Deploy
) -> None:
    started = await client.post("/instances", json={"process_definition_id": await deploy(FOR_ANYBODY)})
    bob = person("bob")
    [task] = await inbox(bob)
    assert (await bob.post(f"/tasks/{task}/submit", json={"output": {}})).status_code == 200
    assert (await client.get(started.json()["links"]["instance"])).json()["status"] == "COMPLETED"


async def test_a_claimed_task_is_its_assignees_alone(person: Client, started: Ids) -> None:
    task = f"/tasks/{started[1]}"
    ann, bob = person("ann", "support"), person("bob", "support")
    assert (await bob.post(f"{task}/claim")).json()["assignee"] == "bob@acme.test"
    assert (await bob.post(f"{task}/claim")).status_code == 200
    assert word(await ann.post(f"{task}/claim")) == (409, "task_claimed")
    assert word(await ann.post(f"{task}/submit", json={"output": {}})) == (403, "task_foreign")
    assert word(await ann.post(f"{task}/release")) == (403, "task_foreign")
    assert (await bob.post(f"{task}/release")).json()["assignee"] is None
    assert (await ann.post(f"{task}/claim")).json()["assignee"] == "ann@acme.test"


async def test_a_stranger_cannot_claim(person: Client, started: Ids) -> None:
    assert word(await person("eve").post(f"/tasks/{started[1]}/claim")) == (403, "task_foreign")


async def test_nobody_claims_for_somebody_else_unless_they_operate(person: Client, started: Ids) -> None:
    task, body = f"/tasks/{started[1]}/claim", {"person": "bob@acme.test"}
    assert word(await person("ann", "support").post(task, json=body)) == (403, "person_foreign")
    answer = await person("olga", role="operator").post(task, json=body)
    assert answer.json()["assignee"] == "bob@acme.test"


async def test_a_delegated_task_returns_to_its_owner(person: Client, started: Ids) -> None:
    task = f"/tasks/{started[1]}"
    bob, carl = person("bob", "support"), person("carl")
    await bob.post(f"{task}/claim")
    given = (await bob.post(f"{task}/delegate", json={"person": "carl@acme.test"})).json()
    assert (given["assignee"], given["delegated_by"]) == ("carl@acme.test", "bob@acme.test")
    assert await inbox(carl) == [str(started[1])]
    assert await inbox(bob) == []
    back = (await carl.post(f"{task}/release")).json()
    assert (back["assignee"], back["delegated_by"]) == ("bob@acme.test", None)


async def test_the_delegate_may_submit(person: Client, started: Ids) -> None:
    task = f"/tasks/{started[1]}"
    await person("bob", "support").post(f"{task}/delegate", json={"person": "Carl@acme.test"})
    assert (await person("carl").post(f"{task}/submit", json={"output": {}})).json()["status"] == "DONE"


async def test_an_operator_reassigns_to_a_person_and_back_to_groups(person: Client, started: Ids) -> None:
    address = f"/tasks/{started[1]}/reassign"
    olga, eve = person("olga", role="operator"), person("eve", "sales")
    assert (await eve.post(address, json={"person": "eve@acme.test"})).status_code == 403
    assert (await olga.post(address, json={"person": "eve@acme.test"})).json()["assignee"] == "eve@acme.test"
    assert await inbox(eve) == [str(started[1])]
    given = (await olga.post(address, json={"groups": ["sales"]})).json()
    assert (given["assignee"], given["candidate_groups"]) == (None, ["sales"])
    assert word(await olga.post(address, json={"groups": []})) == (422, "task_for_nobody")


async def test_a_task_without_a_group_cannot_be_released_to_nobody(
    client: httpx.AsyncClient, person: Client, deploy: Deploy
) -> None:
    await client.post("/instances", json={"process_definition_id": await deploy(FOR_ANYBODY)})
    bob = person("bob")
    [task] = await inbox(bob)
    await bob.post(f"/tasks/{task}/claim")
    assert word(await bob.post(f"/tasks/{task}/release")) == (409, "task_without_group")


async def test_who_is_given_a_task_is_told_and_the_event_says_by_whom(
    client: httpx.AsyncClient, person: Client, started: Ids
) -> None:
    await person("bob", "support").post(f"/tasks/{started[1]}/delegate", json={"person": "carl@acme.test"})
    query = {"type": "TASK_ASSIGNED"}
    [event] = (await client.get(f"/instances/{started[0]}/events", params=query)).json()["items"]
    assert (event["actor"], event["message"]) == ("user:bob@acme.test", "delegated")
    assert event["data"] == {"from": None, "to": "carl@acme.test"}


async def test_the_inbox_has_ones_own_tasks_first_then_by_priority_and_due_time(
    client: httpx.AsyncClient, person: Client, deploy: Deploy
) -> None:
    definition = await deploy()
    ids = []
    for _ in range(5):
        answer = await client.post(
            "/complete", json={"input": {"process_definition_id": definition, "process_instance_id": "new"}}
        )
        ids.append(answer.json()["task"]["task_id"])
    bob = person("bob", "support")
    await client.patch(f"/tasks/{ids[1]}", json={"priority": 5})
    await client.patch(f"/tasks/{ids[2]}", json={"due_at": "2026-12-01T00:00:00Z"})
    await client.patch(f"/tasks/{ids[3]}", json={"due_at": "2026-11-30T00:00:00+09:00"})
    await bob.post(f"/tasks/{ids[4]}/claim")
    wanted = [ids[4], ids[1], ids[3], ids[2], ids[0]]
    assert await inbox(bob) == wanted
    seen: list[str] = []
    address: str | None = "/inbox?limit=2"
    while address:
        page = (await bob.get(address)).json()
        seen += [task["task_id"] for task in page["items"]]
        address = page["next"]
    assert seen == wanted
    assert await inbox(bob, claimed=True) == wanted[:1]
    assert await inbox(bob, claimed=False) == wanted[1:]


async def test_only_operators_look_into_the_inbox_of_others(person: Client, started: Ids) -> None:
    eve, olga = person("eve"), person("olga", role="operator")
    assert word(await eve.get("/inbox?person=bob@acme.test")) == (403, "person_foreign")
    assert word(await eve.get("/inbox?group=support")) == (403, "person_foreign")
    assert await inbox(eve) == []
    assert await inbox(olga, person="bob@acme.test", group="support") == [str(started[1])]
    assert await inbox(olga, person="bob@acme.test", group="sales") == []


async def test_due_tasks_are_found(client: httpx.AsyncClient, started: Ids) -> None:
    await client.patch(f"/tasks/{started[1]}", json={"due_at": "2026-12-01T00:00:00Z"})
    for before, found in (("2026-12-02T00:00:00Z", 1), ("2026-12-01T00:00:00Z", 0)):
        assert len((await client.get("/tasks", params={"due_before": before})).json()["items"]) == found
    changed = await client.patch(f"/tasks/{started[1]}", json={"due_at": None})
    assert changed.json()["due_at"] is None


@pytest.mark.parametrize("change", [{"priority": 6}, {"due_at": "tomorrow"}, {"due_at": "0001-01-01T00:00:00Z"}])
async def test_a_change_that_cannot_be_is_refused(
    client: httpx.AsyncClient, started: Ids, change: dict[str, Any]
) -> None:
    assert (await client.patch(f"/tasks/{started[1]}", json=change)).status_code == 422


async def test_a_closed_task_is_nobodys(client: httpx.AsyncClient, started: Ids) -> None:
    task = f"/tasks/{started[1]}"
    await client.post(f"{task}/submit", json={"output": {}})
    for deed, body in (("claim", {}), ("release", None), ("delegate", {"person": "b"}), ("reassign", {"person": "b"})):
        assert word(await client.post(f"{task}/{deed}", json=body)) == (409, "task_closed")
    assert word(await client.patch(task, json={"priority": 1})) == (409, "task_closed")


async def test_a_task_of_another_tenant_is_404(globex: httpx.AsyncClient, started: Ids) -> None:
    for task in (started[1], uuid4()):
        for deed, body in (
            ("claim", {}), ("release", None), ("delegate", {"person": "b"}), ("reassign", {"person": "b"}),
            ("retry", None),
        ):  # fmt: skip
            assert word(await globex.post(f"/tasks/{task}/{deed}", json=body)) == (404, "task_unknown")
        assert word(await globex.patch(f"/tasks/{task}", json={"priority": 1})) == (404, "task_unknown")
