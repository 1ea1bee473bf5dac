import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from execution_api.requests.intake import DEEPEST_NESTING, LARGEST_JSON_BYTES, check_text, parse_json
from execution_api.requests.problems import ApiProblem


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"x": value}
    return value


async def start(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    return await client.post("/instances", content=content, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"process_definition_id": "a\\u0000b"}', "process_definition_id"),
        (b'{"process_definition_id": "a", "variables": {"deep": [1, {"in": "\\u0000"}]}}', "variables.deep.1.in"),
        (b'{"process_definition_id": "a", "variables": {"k\\u0000": 1}}', "variables"),
        (b'{"process_definition_id": "a", "variables": {"x": "\\ud800"}}', "variables.x"),
        (b'{"process_definition_id": "a", "variables": {"x": 1e999}}', "variables.x"),
        (b'{"process_definition_id": "a", "variables": {"x": NaN}}', "body"),
        (b'{"process_definition_id": "a", "variables": {"x": ' + b"9" * 5000 + b"}}", "body"),
        (b'{"process_definition_id": "\xff"}', "body"),
        (b'{"process_definition_id": ', "body"),
        (b"[" * 100_000, "body"),
    ],
)
async def test_json_that_cannot_be_stored_is_refused_by_field(
    client: httpx.AsyncClient, content: bytes, field: str
) -> None:
    answer = await start(client, content)
    assert answer.status_code == 422
    assert answer.json()["field"].startswith(field)


async def test_nesting_is_accepted_up_to_the_limit_and_refused_above(client: httpx.AsyncClient) -> None:
    body = {"process_definition_id": "unknown", "variables": nested(DEEPEST_NESTING - 1)}
    assert (await start(client, json.dumps(body).encode())).status_code == 404
    body["variables"] = nested(DEEPEST_NESTING)
    answer = await start(client, json.dumps(body).encode())
    assert (answer.status_code, answer.json()["field"]) == (422, "variables.x.x.x.x")


@pytest.mark.parametrize("address", ["/tasks?person=a%00b", "/process-definitions/a%00b", "/healthz?x=%00"])
async def test_an_address_with_a_nul_character_is_refused(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.get(address)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:process-fleet:problem:nul_character")


async def test_a_body_that_announces_too_much_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/documents", files={"files": ("a.md", b"x" * 1_000_000)})
    assert (answer.status_code, answer.json()["field"]) == (413, "body")


@pytest.mark.parametrize("media_type", ["application/json", "application/xml", "multipart/form-data; boundary=b"])
async def test_a_body_that_grows_too_large_is_refused_before_its_end(
    app: FastAPI, acme_key: str, media_type: str
) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.md"\r\n\r\n'
        while True:
            sent += 1
            yield b"x" * 100_000

    address = "/process-definitions" if "xml" in media_type else "/documents" if "form" in media_type else "/instances"
    headers = {"X-API-Key": acme_key, "Content-Type": media_type}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as sender:
        answer = await sender.post(address, content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (413, "body")
    assert sent <= 11


def test_json_has_a_limit_of_its_own() -> None:
    with pytest.raises(ApiProblem) as refused:
        parse_json(b'"' + b"x" * LARGEST_JSON_BYTES + b'"')
    assert refused.value.status_code == 413


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_json_is_given_back_as_it_came_or_refused_for_a_nul(value: Any) -> None:
    text = json.dumps(value)
    if "\\u0000" in text.replace("\\\\", ""):
        with pytest.raises(ApiProblem):
            parse_json(text.encode())
    else:
        assert parse_json(text.encode()) == value


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_otherwise_than_with_a_problem(body: bytes) -> None:
    try:
        parse_json(body)
    except ApiProblem as refused:
        assert refused.status_code == 422


def test_text_outside_ascii_is_accepted() -> None:
    assert check_text("홍길동 🙂", "name") == "홍길동 🙂"
