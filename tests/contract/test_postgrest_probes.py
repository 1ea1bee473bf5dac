"""Thousands of random requests of one tenant to PostgREST: none sees or changes anything of another.

Tables, views, functions, columns and filters are those of the catalogue; the token is that of a user of one tenant, of
a user of none, or of nobody.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from supabase_project import SupabaseProject

SECRET = "zq7secret"
FAST, ALL = 200, 10_000
_VERBS = ["GET"] * 6 + ["POST", "PATCH", "DELETE", "RPC", "RPC", "RPC", "RPC"]
_OF_ALL_TENANTS = {"pod", "agent_orch"}


@dataclass(frozen=True)
class Catalogue:
    """What there is to ask for: columns by relation, arguments by function, and values of the other tenant."""

    columns: dict[str, list[str]]
    arguments: dict[str, list[str]]
    values: list[str]


@pytest.fixture
def owner(project: SupabaseProject) -> Iterator[psycopg.Connection]:
    with psycopg.connect(project.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def theirs(owner: psycopg.Connection, tenants: tuple[str, str]) -> Catalogue:
    """The second tenant, with something secret in many tables."""
    act_as(owner, tenants[1])
    owner.execute("select * from public.deploy_definition('theirs', %s, '<bpmn/>', '{}', '[]')", [SECRET])
    first = {"revision": 0, "state": {}, "variables": {"word": SECRET}, "ended": False, "cancelled": []}
    step = {**first, "tasks": [{"activity_id": "ask", "instruction": SECRET, "assignee": "gil"}]}
    owner.execute("select * from public.start_instance('theirs', 1, 'gil', %s, 'their-key', 'f')", [json.dumps(step)])
    owner.execute("select * from public.save_agent('their-agent', %s, 'r', 'g', '', null, '[]')", [SECRET])
    act_as(owner, None)
    columns: dict[str, list[str]] = {}
    for relation, column in owner.execute("""select c.relname, a.attname from pg_class c join pg_attribute a
            on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v') order by 1, 2"""):
        columns.setdefault(relation, []).append(column)
    functions = owner.execute("""select proname, coalesce(proargnames[1:pronargs], '{}') from pg_proc p
        where pronamespace = 'public'::regnamespace order by 1""").fetchall()
    values = [tenants[1], "their-agent", "theirs", "gil", "their-key", "1"]
    for query in (
        "select id from bpm_proc_inst",
        "select task_id from todolist",
        "select notify_id from notifications",
    ):
        values += [str(v) for (v,) in owner.execute(f"{query} where tenant_id = %s", [tenants[1]])]  # type: ignore[arg-type]
    return Catalogue(columns, dict(functions), values)


def act_as(owner: psycopg.Connection, tenant: str | None) -> None:
    claims = json.dumps({"tenant_id": tenant}) if tenant else ""
    owner.execute("select set_config('request.jwt.claims', %s, false)", [claims])


def request(chance: random.Random, there: Catalogue) -> tuple[str, str, dict[str, str], Any]:
    """Method, path, query and body of a random request."""
    verb = chance.choice(_VERBS)
    if verb == "RPC":
        function, names = chance.choice(sorted(there.arguments.items()))
        return "POST", f"rpc/{function}", {}, {name: value(chance, there) for name in names if chance.random() < 0.8}
    relation, columns = chance.choice(sorted(there.columns.items()))
    query = {"limit": "1000"} if verb == "GET" else {}
    for column in chance.sample(columns, chance.randint(0, min(2, len(columns)))):
        comparison = chance.choice(["eq", "neq", "gte", "like", "is", "in", "not.eq"])
        given = chance.choice(there.values)
        query[column] = f"{comparison}." + {"is": "null", "in": f"({given})", "like": "*"}.get(comparison, given)
    if chance.random() < 0.3:
        query["select"] = chance.choice(["*", ",".join(chance.sample(columns, 1)), "*,todolist(*)", "*,tenants(*)"])
    body = {c: value(chance, there) for c in chance.sample(columns, min(3, len(columns)))}
    return verb, relation, query, None if verb in {"GET", "DELETE"} else body


def value(chance: random.Random, there: Catalogue) -> Any:
    return chance.choice([chance.choice(there.values), chance.choice(there.values), None, 1, {}, []])


def everything_of(owner: psycopg.Connection, there: Catalogue, tenant: str) -> list[str]:
    tables = [relation for relation, columns in there.columns.items() if "tenant_id" in columns]
    query = "select t::text from public.{} t where tenant_id = %s"
    return sorted(row for t in tables for (row,) in owner.execute(query.format(t), [tenant]))  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [FAST, pytest.param(ALL, marks=pytest.mark.chaos)])
async def test_no_request_crosses_tenants(
    project: SupabaseProject, owner: psycopg.Connection, tenants: tuple[str, str], theirs: Catalogue, number: int
) -> None:
    before = everything_of(owner, theirs, tenants[1])
    assert any(SECRET in row for row in before)
    chance = random.Random(number)
    tokens = [project.token(app_metadata={"tenant_id": tenants[0]})] * 3 + [project.token(), project.token("anon")]
    statuses: Counter[int] = Counter()
    async with httpx.AsyncClient(base_url=f"{project.url}/rest/v1", timeout=60) as client:
        for _ in range(number):
            method, path, query, body = request(chance, theirs)
            headers = bearer(chance.choice(tokens))
            if chance.random() < 0.1:
                headers |= {"X-Fleet-Role": "fleet_api", "X-Fleet-Claims": json.dumps({"tenant_id": tenants[1]})}
            answer = await client.request(method, path, params=query, json=body, headers=headers)
            statuses[answer.status_code] += 1
            assert SECRET not in answer.text, (method, path, query, body, answer.text)
            if answer.is_success and path not in _OF_ALL_TENANTS:
                assert tenants[1] not in answer.text, (method, path, query, body, answer.text)
        seen = await leaks_to_its_own(client, project.token(app_metadata={"tenant_id": tenants[1]}), theirs)
    assert everything_of(owner, theirs, tenants[1]) == before
    assert min(statuses[200], statuses[403]) > number // 20, statuses
    assert seen >= 4, "the probes would not find a leak: the tenant itself sees nothing of its own by them"


async def leaks_to_its_own(client: httpx.AsyncClient, token: str, there: Catalogue) -> int:
    chance, seen = random.Random(1), 0
    for _ in range(2 * FAST):
        method, path, query, _ = request(chance, there)
        if method == "GET":
            seen += SECRET in (await client.get(path, params=query, headers=bearer(token))).text
    return seen


def bearer(token: str) -> dict[str, str]:
    return {"apikey": token, "Authorization": f"Bearer {token}"}
