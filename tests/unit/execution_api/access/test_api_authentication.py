import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from places import Place
from user_tokens import JWT_SECRET, deep_header_token, unsigned_token, user_token

from execution_api.access.scopes import OPEN_PATHS
from kernel.migrate import hash_api_key


async def asked(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    return await client.get("/instances", headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer fleet_wrong"},
        {"Authorization": "Basic YWxhZGRpbjpvcGVuc2VzYW1l"},
        {"X-API-Key": "fleet_wrong"},
        {"X-API-Key": "wrong"},
        {"X-API-Key": ""},
    ],
)
async def test_requests_without_a_known_key_get_one_and_the_same_refusal(
    anybody: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await asked(anybody, **headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json() == {
        "type": "urn:process-fleet:problem:unauthenticated",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Valid credentials are required.",
        "instance": "/instances",
        "remedy": "Send an API key or a user token as Authorization: Bearer …, or an API key as X-API-Key.",
    }


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("not.a.token", "token_malformed"),
        (deep_header_token(), "token_malformed"),
        (user_token(headers={"crit": ["exp"]}), "token_malformed"),
        (unsigned_token(), "token_algorithm"),
        (user_token(algorithm="HS512", secret=JWT_SECRET * 2), "token_algorithm"),
        (user_token(secret="another secret of thirty-two characters"), "token_signature"),
        (user_token(exp=int(time.time()) - 1), "token_expired"),
        (user_token(nbf=int(time.time()) + 36_000), "token_not_yet_valid"),
        (user_token(aud="anon"), "token_audience"),
        (user_token(aud=None), "token_claims"),
        (user_token(exp=None), "token_claims"),
        (user_token(sub=None, email=None), "token_claims"),
        (user_token(role="anon"), "token_role"),
        (user_token(role="service_role"), "token_role"),
    ],
)
async def test_a_token_that_is_refused_is_told_why(anybody: httpx.AsyncClient, token: str, word: str) -> None:
    answer = await asked(anybody, Authorization=f"Bearer {token}")
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (401, word)
    detail = answer.json()["detail"]
    assert answer.headers["www-authenticate"].endswith(f'error="invalid_token", error_description="{detail}"')
    assert token not in answer.text


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_an_api_key_is_accepted_in_both_headers(anybody: httpx.AsyncClient, acme_key: str, header: str) -> None:
    value = f"Bearer {acme_key}" if header == "Authorization" else acme_key
    assert (await asked(anybody, **{header: value})).status_code == 200


async def test_a_revoked_api_key_is_refused_at_the_next_request(
    anybody: httpx.AsyncClient, acme_key: str, place: Place
) -> None:
    assert (await asked(anybody, **{"X-API-Key": acme_key})).status_code == 200
    with psycopg.connect(place.url) as owner:
        owner.execute("update public.api_key set revoked_at = now() where key_hash = %s", [hash_api_key(acme_key)])
    assert (await asked(anybody, **{"X-API-Key": acme_key})).status_code == 401


async def test_a_user_token_acts_as_its_user_in_the_tenant_of_its_app_metadata(
    anybody: httpx.AsyncClient, deploy: Callable[..., Awaitable[str]], place: Place
) -> None:
    definition = await deploy()
    headers = {"Authorization": f"Bearer {user_token(place.tenant)}"}
    answer = await anybody.post("/instances", json={"process_definition_id": definition}, headers=headers)
    links = answer.json()["links"]
    assert (await anybody.get(links["instance"], headers=headers)).json()["initiator"] == "ann@acme.test"
    events = (await anybody.get(links["events"], headers=headers)).json()["items"]
    assert {event["actor"] for event in events} == {"user:ann@acme.test"}


async def test_a_user_without_an_e_mail_is_known_by_the_subject(
    anybody: httpx.AsyncClient, deploy: Callable[..., Awaitable[str]], place: Place
) -> None:
    definition = await deploy()
    headers = {"Authorization": f"Bearer {user_token(place.tenant, email=None)}"}
    await anybody.post("/instances", json={"process_definition_id": definition}, headers=headers)
    assert (await asked(anybody, **headers)).json()["items"][0]["initiator"] == "5f0c"


@pytest.mark.parametrize(
    "claims",
    [
        {"app_metadata": None},
        {"app_metadata": {}},
        {"app_metadata": "acme"},
        {"app_metadata": {"tenant_id": 7}},
        {"app_metadata": {"tenant_id": "Acme; drop"}},
        {"app_metadata": None, "user_metadata": {"tenant_id": "acme"}},
        {"app_metadata": None, "tenant_id": "acme"},
    ],
)
async def test_a_user_token_whose_app_metadata_names_no_tenant_is_forbidden(
    anybody: httpx.AsyncClient, claims: dict[str, Any]
) -> None:
    answer = await asked(anybody, Authorization=f"Bearer {user_token(**claims)}")
    assert answer.status_code == 403
    assert answer.json()["type"].endswith(":tenant_missing")


async def test_a_header_cannot_choose_the_tenant(
    anybody: httpx.AsyncClient, started: object, acme_key: str, place: Place
) -> None:
    token = user_token(place.other_tenant)
    headers = {"Authorization": f"Bearer {token}", "X-Tenant-Id": place.tenant, "X-API-Key": acme_key}
    assert (await asked(anybody, **headers)).json()["items"] == []


async def test_nothing_is_open_but_what_must_be(document: dict[str, Any], anybody: httpx.AsyncClient) -> None:
    addresses = {(m.upper(), path) for path, methods in document["paths"].items() for m in methods}
    for method, path in addresses | {("GET", "/nothing-here"), ("GET", "/redoc"), ("GET", "/healthz/")}:
        status = (await anybody.request(method, path.replace("{", "").replace("}", ""))).status_code
        assert (status == 401) is (path not in OPEN_PATHS), (method, path, status)
    assert {"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"} == OPEN_PATHS


async def test_credentials_are_checked_before_the_body_is_read(app: FastAPI) -> None:
    async def body() -> Any:
        raise AssertionError("somebody read the body")
        yield b""

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as stranger:
        assert (await stranger.post("/documents", content=body())).status_code == 401
