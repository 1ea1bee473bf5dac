import json
import logging
from collections.abc import Awaitable, Callable
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from user_tokens import user_token

from execution_api.requests.problems import MEDIA_TYPE, TYPE_PREFIX, problem_of
from execution_api.services import Services
from kernel.errors import Conflict, DatabaseUnavailable, Forbidden, InvalidInput, NotFound, Refused, TooMany
from process_engine.values.errors import TokenUnknown


async def test_an_unknown_address_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nothing here")
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json() == {
        "type": TYPE_PREFIX + "address_unknown",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this address.",
        "instance": "/nothing%20here",
        "remedy": "GET /docs lists the addresses.",
    }


async def test_a_wrong_method_is_a_problem_that_names_the_right_one(client: httpx.AsyncClient) -> None:
    answer = await client.delete("/instances")
    assert (answer.status_code, answer.headers["content-type"]) == (405, MEDIA_TYPE)
    assert "GET" in answer.headers["allow"]
    assert answer.json()["type"] == TYPE_PREFIX + "method_not_allowed"


async def test_a_validation_error_names_field_value_and_remedy(client: httpx.AsyncClient) -> None:
    body = {"process_definition_id": "refund", "version": 0, "colour": "red"}
    answer = await client.post("/instances", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    problem = answer.json()
    assert (problem["type"], problem["field"], problem["value"]) == (TYPE_PREFIX + "request_invalid", "version", 0)
    assert [fault["field"] for fault in problem["errors"]] == ["version", "colour"]
    assert "greater than or equal to 1" in problem["detail"]
    assert problem["remedy"]


@pytest.mark.parametrize(
    ("method", "address", "field"),
    [
        ("GET", "/instances?limit=0", "limit"),
        ("GET", "/instances?limit=501", "limit"),
        ("GET", "/instances?status=DONE", "status"),
        ("GET", "/instances?before=1", "before"),
        ("GET", "/events?after=99999999999999999999", "after"),
        ("GET", "/tasks?status=OPEN", "status"),
        ("GET", "/tasks/7", "task_id"),
        ("GET", "/documents/search", "q"),
        ("GET", "/documents/search?q=%20", "q"),
        ("GET", "/process-definitions/refund/versions/99999999999", "version"),
        ("POST", "/complete?wait=301", "wait"),
    ],
)
async def test_a_wrong_parameter_is_named(client: httpx.AsyncClient, method: str, address: str, field: str) -> None:
    body = {"input": {"process_instance_id": "new"}} if method == "POST" else None
    answer = await client.request(method, address, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_long_value_is_not_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.post("/instances", json={"process_definition_id": ["x" * 1000]})
    assert answer.json()["field"] == "process_definition_id"
    assert "value" not in answer.json()


async def test_a_body_that_is_no_json_says_which_media_type_is_needed(client: httpx.AsyncClient) -> None:
    answer = await client.post("/instances", content=b"id=refund", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422
    assert "Content-Type: application/json" in answer.json()["detail"]


async def test_a_missing_body_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/instances")
    assert (answer.status_code, answer.json()["field"]) == (422, "body")


async def test_an_unforeseen_error_shows_an_incident_id_that_the_log_explains(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services: Services = app.state.services

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the inner secret")

    monkeypatch.setattr(services.kernel.transport, "call", _only_after_the_gate(services.kernel.transport.call, fail))
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/agents")
    assert answer.status_code == 500
    assert "the inner secret" not in answer.text
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.fields == {"incident": answer.json()["incident"]}  # type: ignore[attr-defined]
    assert record.exc_info and "the inner secret" in str(record.exc_info[1])


def _only_after_the_gate(real: Callable[..., Awaitable[object]], fail: Callable[..., Awaitable[object]]) -> object:
    async def call(function: str, claims: object, **args: object) -> object:
        return await (real if function == "authenticate_api_key" else fail)(function, claims, **args)

    return call


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (Forbidden("no", "tenant_missing"), 403, "tenant_missing"),
        (NotFound("no", "task_unknown"), 404, "task_unknown"),
        (Conflict("no", "task_closed"), 409, "task_closed"),
        (InvalidInput("no", "idempotency_key_reused"), 422, "idempotency_key_reused"),
        (TooMany("no", "limit"), 429, "limit"),
        (InvalidInput('relation "todolist" says no', "23503"), 422, "value_refused"),
        (Refused("permission denied for table api_key"), 400, "value_refused"),
        (DatabaseUnavailable("host 10.0.0.7"), 503, "database_unavailable"),
        (TokenUnknown("t"), 422, "not_processable"),
        (HTTPException(400, "There was an error parsing the body"), 422, "body_unreadable"),
        (ValueError("the inner secret"), 500, "unforeseen"),
    ],
)
def test_every_error_of_the_house_becomes_a_problem(error: Exception, status: int, word: str) -> None:
    problem = json.loads(problem_of(error).response("/x").body)
    assert (problem["status"], problem["type"]) == (status, TYPE_PREFIX + word)


@pytest.mark.parametrize(
    "error",
    [InvalidInput('relation "todolist" says no', "23503"), DatabaseUnavailable("host 10.0.0.7"), ValueError("secret")],
)
def test_what_only_the_operator_may_know_is_not_told(error: Exception) -> None:
    assert str(error) not in bytes(problem_of(error).response("/x").body).decode()


def test_the_remedy_of_the_database_is_handed_on() -> None:
    problem = problem_of(NotFound("There is no x.", "x_unknown", "Make one."))
    assert (problem.detail, problem.remedy) == ("There is no x.", "Make one.")


async def test_a_tenant_that_does_not_exist_can_store_nothing(app: FastAPI, anybody: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {user_token(f't{uuid4().hex}', fleet_role='admin')}"}
    body = {"name": "n", "role": "r", "goal": "g"}
    answer = await anybody.put("/agents/a", json=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, TYPE_PREFIX + "value_refused")
    assert "agent_profile" not in answer.text


async def test_odd_values_are_never_an_internal_error(client: httpx.AsyncClient) -> None:
    for address in (
        "/process-definitions/" + "x" * 300,
        "/process-definitions/%ff%fe",
        "/tasks?person=%ff%ed%a0%80",
        "/documents/search?q=%27%22%3A%26%7C%21%28",
        "/documents/search?q=the+of",
        "/instances?limit=1&limit=2",
    ):
        assert (await client.get(address)).status_code in {200, 404, 422}, address
    for wait in ("nan", "inf", "-1", "1e400"):
        answer = await client.post("/complete", params={"wait": wait}, json={"input": {"process_instance_id": "new"}})
        assert (answer.status_code, answer.json()["field"]) == (422, "wait")
