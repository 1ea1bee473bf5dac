"""The table of routes and scopes is whole, and every route holds requests against it."""

import re
from collections.abc import Callable
from itertools import product
from typing import Any
from uuid import uuid4

import httpx
import pytest
from places import Place
from user_tokens import user_token

from execution_api.access.scopes import OPEN_PATHS, SCOPE_OF_ROUTE, SCOPES_OF, Role, Scope, scope_of, scopes_of
from kernel.migrate import create_api_key

Client = Callable[..., httpx.AsyncClient]


def routes_of(document: dict[str, Any]) -> set[str]:
    return {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
        if path not in OPEN_PATHS
    }


def test_the_table_has_every_route_behind_the_gate_and_no_other(document: dict[str, Any]) -> None:
    assert set(SCOPE_OF_ROUTE) == routes_of(document)


def test_the_document_says_which_scope_each_operation_needs(document: dict[str, Any]) -> None:
    for route in routes_of(document):
        method, path = route.split()
        operation = document["paths"][path][method.lower()]
        assert operation["x-scope"] == SCOPE_OF_ROUTE[route]
        assert f"Needs the scope `{SCOPE_OF_ROUTE[route]}`" in operation["description"]


def test_each_role_may_do_all_that_the_one_before_it_may() -> None:
    assert list(Role) == list(SCOPES_OF)
    for lower, higher in zip(list(Role), list(Role)[1:], strict=False):
        assert SCOPES_OF[lower] < SCOPES_OF[higher]
    assert SCOPES_OF[Role.ADMIN] == set(Scope)


def test_a_route_that_is_not_in_the_table_is_for_admins() -> None:
    assert scope_of(["GET"], "/not/there") == Scope.ADMINISTER


def test_unknown_roles_and_scopes_give_nothing() -> None:
    assert scopes_of(["king"]) == frozenset()
    assert scopes_of(["viewer", "king"], ["read", "everything"]) == {Scope.READ}


@pytest.mark.parametrize("role", Role)
async def test_every_route_refuses_a_role_without_its_scope_and_lets_the_others_in(
    role: Role, open_client: Client, place: Place, document: dict[str, Any]
) -> None:
    client = open_client({"Authorization": f"Bearer {user_token(place.tenant, fleet_role=role)}"})
    for route in sorted(routes_of(document)):
        method, template = route.split()
        if template == "/documents/search" or template.endswith("/stream"):
            continue  # the one asks the model, the other has no end
        path = re.sub(r"\{version\}", "1", re.sub(r"\{(?!version)\w+\}", str(uuid4()), template))
        answer = await client.request(method, path, content=b"")
        refused = answer.status_code == 403 and answer.json()["type"].endswith(":scope_missing")
        assert refused is (SCOPE_OF_ROUTE[route] not in SCOPES_OF[role]), (role, route, answer.text)


async def test_a_key_may_do_what_its_scopes_leave_of_its_role(open_client: Client, place: Place) -> None:
    narrow = open_client({"X-API-Key": create_api_key(place.url, place.tenant, "n", "worker", ["read"])})
    assert (await narrow.get("/instances")).status_code == 200
    answer = await narrow.post("/instances", json={"process_definition_id": "refund"})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:process-fleet:problem:scope_missing")
    beyond = open_client({"X-API-Key": create_api_key(place.url, place.tenant, "b", "viewer", ["read", "administer"])})
    assert (await beyond.get("/api-keys")).status_code == 403


async def test_a_user_without_a_role_has_the_one_of_the_settings(open_client: Client, place: Place) -> None:
    client = open_client({"Authorization": f"Bearer {user_token(place.tenant)}"})
    assert (await client.get("/tasks")).status_code == 200
    assert (await client.put("/agents/a", json={"name": "n", "role": "r", "goal": "g"})).status_code == 403


async def test_a_role_in_what_the_user_may_write_gives_nothing(open_client: Client, place: Place) -> None:
    token = user_token(place.tenant, user_metadata={"role": "admin"}, role_claim="admin")
    client = open_client({"Authorization": f"Bearer {token}"})
    assert (await client.get("/api-keys")).status_code == 403


async def test_roles_may_be_a_list(open_client: Client, place: Place) -> None:
    token = user_token(app_metadata={"tenant_id": place.tenant, "roles": ["viewer", "operator", 7]})
    client = open_client({"Authorization": f"Bearer {token}"})
    outcomes = product(["/instances/cancel"], [{"reason": "r", "status": "ERROR"}])
    for path, body in outcomes:
        assert (await client.post(path, json=body)).status_code == 200
