"""Input that is meant to hurt, over HTTP: bodies as large as they may be, XML that explodes, calls in a circle."""

from collections.abc import Awaitable, Callable

import httpx
import pytest
from dmn_files import RATES
from sample_processes import REFUND, process

from execution_api.settings import ApiSettings

Deploy = Callable[..., Awaitable[str]]
MIB = 1024 * 1024
LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)
FILE = '<!DOCTYPE x [<!ENTITY j SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize("doctype", [LAUGHS, FILE], ids=["a billion laughs", "a file of the server"])
@pytest.mark.parametrize("address", ["/process-definitions", "/decisions"])
async def test_entities_are_refused_at_their_line(client: httpx.AsyncClient, address: str, doctype: str) -> None:
    model = REFUND if address == "/process-definitions" else RATES
    start = model.index("<", model.index("?>") if "?>" in model else 0)
    xml = model[:start] + doctype + "]>" + model[start:].replace('name="', 'name="&j;', 1)
    answer = await client.post(address, content=xml, headers={"Content-Type": "application/xml"})
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["type"].endswith(":definition_invalid") and problem["errors"][0]["line"], problem
    assert "root:" not in answer.text


class TestFiftyMegabytes:
    """With the limits that programs have unless they are set."""

    @pytest.fixture
    def settings(self, settings: ApiSettings) -> ApiSettings:
        return settings.model_copy(update={"max_body_bytes": ApiSettings.model_fields["max_body_bytes"].default})

    @pytest.mark.parametrize(
        ("address", "media_type", "body"),
        [
            ("/instances", "application/json", b'{"x": "' + b"x" * (49 * MIB) + b'"}'),
            ("/complete", "application/json", b"[" * (49 * MIB)),
            ("/process-definitions", "application/xml", b"<a>" * (16 * MIB)),
            ("/decisions", "application/xml", b"<a " + b'b="c" ' * (8 * MIB) + b"/>"),
            ("/documents", "multipart/form-data; boundary=b", b"--b\r\n" * (9 * MIB)),
            ("/instances", "application/json", b"x" * (51 * MIB)),
            ("/process-definitions", "application/xml", b"x" * (51 * MIB)),
        ],
        ids=["one text", "brackets", "elements", "attributes", "empty parts", "too much JSON", "too much XML"],
    )
    async def test_bodies_of_the_largest_size_are_refused_and_the_next_request_is_answered(
        self, client: httpx.AsyncClient, address: str, media_type: str, body: bytes
    ) -> None:
        answer = await client.post(address, content=body, headers={"Content-Type": media_type}, timeout=60)
        assert answer.status_code in {413, 422}, answer.text[:500]
        assert len(answer.content) < 10_000
        assert answer.json()["detail"]
        assert (await client.get("/tasks")).status_code == 200


async def test_processes_that_call_each_other_in_a_circle_are_stopped_and_named(
    client: httpx.AsyncClient, deploy: Deploy
) -> None:
    def calling(name: str, other: str) -> str:
        plain = process(name, "startEvent s, callActivity call, endEvent e", "s -> call, call -> e")
        called = f'<zeebe:calledElement processId="{other}" propagateAllChildVariables="false"/>'
        inner = f"<bpmn:extensionElements>{called}</bpmn:extensionElements>"
        return plain.replace('name="call"></bpmn:callActivity>', f'name="call">{inner}</bpmn:callActivity>')

    await deploy(process("pong", "startEvent s, endEvent e", "s -> e"))
    await deploy(calling("ping", "pong"))
    await deploy(calling("pong", "ping"))
    answer = await client.post("/instances", json={"process_definition_id": "ping"})
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["errors"][0]["element_id"] == "call" and "circle" in problem["detail"], problem
    assert (await client.get("/instances")).json()["items"] == []


async def test_a_condition_that_cannot_be_evaluated_stops_the_start_and_is_named(
    client: httpx.AsyncClient, deploy: Deploy
) -> None:
    definition = await deploy(
        process(
            "split",
            "startEvent s, exclusiveGateway x, userTask a, endEvent e",
            "s -> x, x -> a [amount > 10], x -> e [amount <= 10], a -> e",
        )
    )
    for variables in ({}, {"amount": "ten"}, {"amount": None}, {"amount": {"value": 1}}):
        answer = await client.post("/instances", json={"process_definition_id": definition, "variables": variables})
        problem = answer.json()
        assert (answer.status_code, problem["type"].rpartition(":")[2]) == (422, "step_failed"), answer.text
        assert "amount" in problem["detail"] and problem["errors"][0]["element_id"], problem
