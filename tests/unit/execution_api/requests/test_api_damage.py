"""Damaged models and hostile JSON over HTTP: whatever comes, the answer is a documented one, soon, and says what is
wrong where."""

import asyncio
import random
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from damaged_models import damaged
from dmn_files import RATES
from hostile_json import SQL, mutated
from sample_processes import FORM, NEEDS_AMOUNT, REFUND, SIDE_BY_SIDE

ROOT = Path(__file__).resolve().parents[4]
EXAMPLES = sorted(ROOT.glob("examples/**/*.bpmn"))
MODELS = [*(path.read_text() for path in EXAMPLES), REFUND, FORM, NEEDS_AMOUNT, SIDE_BY_SIDE]
XML = {"Content-Type": "application/xml"}
JSON = {"Content-Type": "application/json"}
SECONDS = 30  # far more than any answer takes, so that only what hangs is found
FORM_VALUES = {"decision": "pay", "amount": 12.5}
Deploy = Callable[..., Awaitable[str]]


def at_length(pieces: int, number: int) -> list[Any]:
    """`number` more in each of `pieces` runs with a seed of its own, short enough to be run one by one."""
    return [pytest.param(number, seed, marks=pytest.mark.chaos) for seed in range(1, pieces + 1)]


async def send(client: httpx.AsyncClient, address: str, **request: Any) -> httpx.Response:
    """POST; fails where the answer does not come, or is a failure of ours. `client` checks that it is documented."""
    answer = await asyncio.wait_for(client.post(address, **request), SECONDS)
    assert answer.status_code < 500, (address, request, answer.text)
    return answer


def names_its_place(problem: dict[str, Any]) -> bool:
    """Whether a refused model is told by element, by line, or by the name of what is not there."""
    if problem["type"].endswith(":definition_invalid"):
        return all(e.get("element_id") or e.get("line") or "bytes" in e["message"] for e in problem["errors"])
    return bool(problem.get("remedy")) and any(mark in problem["detail"] for mark in ('"', ": "))


@pytest.fixture(autouse=True)
def own_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsed models are kept by tenant and id, and these are damaged ones of acme: no other test may meet them."""
    monkeypatch.setattr("process_engine.committing.stored_specs._specs", OrderedDict())


@pytest.fixture
async def orchestrators(start_pod: Callable[..., Awaitable[object]]) -> None:
    """Those that the models name."""
    await start_pod(serves=("echo", "openai-action"))


@pytest.mark.parametrize(("number", "seed"), [(150, 0), *at_length(4, 2_000)])
async def test_a_damaged_process_is_refused_by_its_place_or_starts(
    orchestrators: None, client: httpx.AsyncClient, number: int, seed: int
) -> None:
    chance = random.Random(seed)
    deployed = 0
    for turn in range(number):
        bpmn = damaged(MODELS[turn % len(MODELS)].encode(), chance)
        answer = await send(client, "/process-definitions", content=bpmn, headers=XML)
        if not answer.is_success:
            assert answer.status_code == 422 and names_its_place(answer.json()), (answer.text, bpmn)
            continue
        deployed += 1
        body = {"process_definition_id": answer.json()["id"], "variables": {"amount": 20, "request": "r"}}
        started = await send(client, "/instances", json=body)
        assert started.status_code in {201, 422}, started.text
    assert number // 50 < deployed < number


@pytest.mark.parametrize(("number", "seed"), [(40, 0), *at_length(2, 1_500)])
async def test_a_damaged_decision_is_refused_by_its_place_or_answers(
    client: httpx.AsyncClient, number: int, seed: int
) -> None:
    chance = random.Random(seed)
    deployed = 0
    for _ in range(number):
        dmn = damaged(RATES.encode(), chance)
        answer = await send(client, "/decisions", content=dmn, headers=XML)
        if not answer.is_success:
            assert answer.status_code == 422 and names_its_place(answer.json()), (answer.text, dmn)
            continue
        for decision in answer.json()["items"]:
            deployed += 1
            values = chance.choice([{"amount": 5}, {}, {"amount": "five"}, {"amount": None}, {"amount": 10**300}])
            await send(client, f"/decisions/{decision['id']}/evaluate", json={"variables": values})
    assert deployed > number // 50


def bodies(definition: str, instance: str, task: str) -> dict[str, Any]:
    """A body that would be taken, for each address that takes what people write."""
    return {
        "/complete": {
            "input": {
                "process_instance_id": instance,
                "activity_id": "decide",
                "form_values": {"f": FORM_VALUES},
            }
        },
        "/instances": {"process_definition_id": definition, "variables": {"note": "n", "amount": 1}},
        f"/tasks/{task}/submit": {"output": FORM_VALUES},
        "/messages": {"name": "paid", "correlation_key": "1", "variables": {"a": [1]}, "ttl_seconds": 5},
        "/decisions/rates/evaluate": {"variables": {"amount": 3}},
    }


@pytest.mark.parametrize(("number", "seed"), [(250, 0), *at_length(5, 3_000)])
async def test_hostile_json_is_taken_as_it_is_or_refused_by_its_field(
    client: httpx.AsyncClient, deploy: Deploy, number: int, seed: int
) -> None:
    definition = await deploy(FORM)
    await client.post("/decisions", content=RATES, headers=XML)
    chance = random.Random(seed)
    statuses: Counter[int] = Counter()
    for turn in range(number):
        if turn % 25 == 0:
            started = await client.post(
                "/complete", json={"input": {"process_instance_id": "new", "process_definition_id": definition}}
            )
            ids = (definition, started.json()["process_instance_id"], started.json()["task"]["task_id"])
        address, body = chance.choice(list(bodies(*ids).items()))
        sent = mutated(body, chance)
        answer = await send(client, address, content=sent, headers=JSON)
        statuses[answer.status_code] += 1
        if answer.status_code == 422:
            problem = answer.json()
            assert problem.get("field") or problem.get("errors"), (sent, answer.text)
    assert statuses[422] > number // 10 and statuses[200] + statuses[201] + statuses[202] > number // 20, statuses


async def test_sql_in_every_string_is_only_text(
    client: httpx.AsyncClient, deploy: Deploy, owner: psycopg.Connection
) -> None:
    definition = await deploy()
    for text in SQL:
        variables = {text: text, "list": [text, {text: text}]}
        body = {"process_definition_id": definition, "variables": variables, "initiator": text}
        started = (await client.post("/instances", json=body)).json()
        instance = (await client.get(started["links"]["instance"])).json()
        assert {name: instance["variables"][name] for name in variables} == variables
        for address in ("/instances?initiator=", "/tasks?person=", "/documents?title=", "/documents/search?q="):
            name, _, parameter = address.partition("?")
            answer = await client.get(name, params={parameter.rstrip("="): text})
            assert answer.status_code == 200, (address, answer.text)
        await client.put("/agents/a", json={"name": text, "role": text, "goal": text, "persona": text})
        assert (await client.get("/agents")).json()["items"][0]["persona"] == text
        assert (await client.get("/process-definitions/" + text)).status_code in {404, 422}
    assert owner.execute("select count(*) from public.bpm_proc_inst").fetchone() == (len(SQL),)
    assert owner.execute("select count(*) from public.tenants").fetchone() == (2,)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("decision", {"decision": 7, "amount": 1}),
        ("amount", {"decision": "pay", "amount": "12"}),
        ("amount", {"decision": "pay", "amount": True}),
        ("amount", {"decision": "pay", "amount": [1]}),
        ("decision", {"decision": SQL[0], "amount": 1}),
        ("amount", {"decision": "pay"}),
    ],
)
async def test_a_form_value_of_the_wrong_type_is_refused_by_its_field(
    client: httpx.AsyncClient, deploy: Deploy, field: str, values: dict[str, Any]
) -> None:
    body = {"input": {"process_instance_id": "new", "process_definition_id": await deploy(FORM)}}
    started = (await client.post("/complete", json=body)).json()
    answer = await client.post(f"/tasks/{started['task']['task_id']}/submit", json={"output": values})
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert field in problem["errors"][0]["field"] + problem["errors"][0]["message"], answer.text
    task = (await client.get(f"/tasks/{started['task']['task_id']}")).json()
    assert (task["status"], task["output"]) == ("TODO", None)
