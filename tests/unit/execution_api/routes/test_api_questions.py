"""Questions of running tasks over HTTP: who sees them, who may answer, and when an answer is refused."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from places import Place
from sample_processes import ROBOT
from user_tokens import user_token

from kernel.functions import Kernel
from kernel.postgres import PostgresConnection

Deploy = Callable[..., Awaitable[str]]
Ask = Callable[..., Awaitable[UUID]]
CALL = {"kind": "tool", "name": "ask_person", "request": {}, "outcome": "started", "call_key": "k", "occurrence": 1}
COSTS = {"input_tokens": 0, "output_tokens": 0, "cost_usd": "0", "latency_ms": 0, "replayable": True}


@pytest.fixture
async def pod(database_url: str) -> AsyncIterator[Kernel]:
    connection = PostgresConnection(database_url, "fleet_pod")
    yield Kernel(connection)
    await connection.close()


@pytest.fixture
def ask(client: httpx.AsyncClient, deploy: Deploy, pod: Kernel) -> Ask:
    """A task asks and waits: `await ask(assignee="bob@acme.test")`; returns the question's id."""

    async def put(**question: Any) -> UUID:
        pod_id = uuid4()
        await pod.register_pod(pod_id, "p", [{"id": "echo", "description": ""}], None)
        await client.post("/instances", json={"process_definition_id": await deploy(ROBOT)})
        task = await pod.next_task(pod_id, ["echo"], 60)
        assert task
        call_id = (await pod.record_call(task, {**CALL, **COSTS})).call_id
        question_id = await pod.ask_question(task, call_id, {"kind": "person", "question": "May I?", **question})
        assert await pod.suspend_task(task, [call_id]) == "waiting"
        return question_id

    return put


@pytest.fixture
def person(open_client: Callable[..., httpx.AsyncClient], place: Place) -> Callable[..., httpx.AsyncClient]:
    """Clients of people: `person("bob", "support")`."""

    def of(name: str, *groups: str) -> httpx.AsyncClient:
        token = user_token(place.tenant, email=f"{name}@acme.test", groups=list(groups), fleet_role="worker")
        return open_client({"Authorization": f"Bearer {token}"})

    return of


def word(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rsplit(":")[-1]


async def test_a_question_is_listed_and_answered_once_by_whom_it_is_for(ask: Ask, person: Any) -> None:
    form = {"type": "object", "required": ["yes"]}
    asked = await ask(assignee="bob@acme.test", form=form)
    eve, bob = person("eve"), person("bob")
    assert (await eve.get("/questions?mine=true")).json()["items"] == []
    [found] = (await bob.get("/questions?mine=true")).json()["items"]
    assert (found["question_id"], found["question"], found["form"]) == (str(asked), "May I?", form)
    address = f"/questions/{asked}/answer"
    assert word(await eve.post(address, json={"answer": {"yes": True}})) == (403, "question_foreign")
    assert word(await bob.post(address, json={"answer": {"no": True}})) == (422, "answer_invalid")
    answered = await bob.post(address, json={"answer": {"yes": True}})
    assert (answered.status_code, answered.json()["status"], answered.json()["answer"]) == (
        200,
        "answered",
        {"yes": True},
    )
    assert word(await bob.post(address, json={"answer": {"yes": False}})) == (409, "question_closed")
    assert (await bob.get("/questions")).json()["items"] == []
    [kept] = (await bob.get("/questions", params={"task": found["task_id"]})).json()["items"]
    assert kept == (await bob.get(f"/questions/{asked}")).json() == answered.json()


async def test_a_member_of_its_groups_may_answer(ask: Ask, person: Any) -> None:
    asked = await ask(candidate_groups=["support"])
    assert word(await person("eve").post(f"/questions/{asked}/answer", json={"answer": 1}))[0] == 403
    assert (
        await person("bob", "support").post(f"/questions/{asked}/answer", json={"answer": "yes"})
    ).status_code == 200


async def test_the_question_of_a_cancelled_instance_is_closed(client: httpx.AsyncClient, ask: Ask) -> None:
    asked = await ask()
    [instance] = (await client.get("/instances")).json()["items"]
    await client.post(f"/instances/{instance['id']}/cancel", json={"reason": "r"})
    assert word(await client.post(f"/questions/{asked}/answer", json={"answer": 1})) == (409, "question_closed")
    assert (await client.get("/questions")).json()["items"] == []


async def test_questions_of_other_tenants_and_unknown_ones_are_not_there(ask: Ask, globex: httpx.AsyncClient) -> None:
    asked = await ask()
    assert (await globex.get("/questions")).json()["items"] == []
    for unknown in (asked, uuid4()):
        assert word(await globex.get(f"/questions/{unknown}")) == (404, "question_unknown")
        assert word(await globex.post(f"/questions/{unknown}/answer", json={"answer": 1})) == (404, "question_unknown")
