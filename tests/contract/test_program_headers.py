"""X-Fleet-Role and X-Fleet-Claims: the service key may be less than it is, and nobody may be more."""

import json
from typing import Any

import httpx
import psycopg
import pytest
from supabase_project import SupabaseProject


def asked(project: SupabaseProject, key: str, **headers: str) -> httpx.Response:
    credentials = {"apikey": key, "Authorization": f"Bearer {key}"}
    url = f"{project.url}/rest/v1/todolist?select=tenant_id"
    return httpx.get(url, headers={**credentials, **{k.replace("_", "-"): v for k, v in headers.items()}})


@pytest.fixture(autouse=True)
def a_task_of_each_tenant(project: SupabaseProject, tenants: tuple[str, str]) -> None:
    with psycopg.connect(project.database_url, autocommit=True) as owner:
        for tenant in tenants:
            owner.execute("select set_config('request.jwt.claims', %s, false)", [json.dumps({"tenant_id": tenant})])
            owner.execute("""select * from public.enqueue_tasks('[{"activity_id": "ask"}]')""")


def seen(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {row["tenant_id"] for row in answer.json()}


def test_with_the_headers_the_service_key_sees_one_tenant(project: SupabaseProject, tenants: tuple[str, str]) -> None:
    headers = {"X_Fleet_Role": "fleet_api", "X_Fleet_Claims": json.dumps({"tenant_id": tenants[0]})}
    assert seen(asked(project, project.service_key, **headers)) == {tenants[0]}
    assert seen(asked(project, project.service_key, X_Fleet_Role="fleet_api")) == set()


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Fleet_Role": "fleet_api"},
        {"X_Fleet_Claims": '{"tenant_id": "globex"}'},
        {"X_Fleet_Role": "fleet_api", "X_Fleet_Claims": '{"tenant_id": "globex"}'},
    ],
)
@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_no_user_can_use_the_headers(project: SupabaseProject, role: str, headers: dict[str, str]) -> None:
    answer = asked(project, project.token(role, app_metadata={"tenant_id": "acme"}), **headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "PT403")


@pytest.mark.parametrize("role", ["postgres", "service_role", "authenticated", "authenticator", "", "FLEET_API"])
def test_the_service_key_can_become_nothing_but_our_two_roles(project: SupabaseProject, role: str) -> None:
    answer = asked(project, project.service_key, X_Fleet_Role=role)
    assert (answer.status_code, answer.json()["code"]) == (403, "PT403")


def test_claims_that_are_no_json_are_refused(project: SupabaseProject) -> None:
    answer = asked(project, project.service_key, X_Fleet_Role="fleet_api", X_Fleet_Claims="{tenant")
    assert (answer.status_code, answer.json()["code"]) == (400, "22P02")


def test_claims_do_not_stay_on_the_connection(project: SupabaseProject, tenants: tuple[str, str]) -> None:
    headers = {"X_Fleet_Role": "fleet_api", "X_Fleet_Claims": json.dumps({"tenant_id": tenants[0]})}
    user = project.token(app_metadata={"tenant_id": tenants[1]})
    for _ in range(20):
        assert seen(asked(project, project.service_key, **headers)) == {tenants[0]}
        assert seen(asked(project, user)) == {tenants[1]}
        assert seen(asked(project, project.token())) == set()


def test_a_user_sees_the_tenant_of_the_app_metadata_and_writes_nothing(
    project: SupabaseProject, tenants: tuple[str, str]
) -> None:
    token = project.token(app_metadata={"tenant_id": tenants[0]}, user_metadata={"tenant_id": tenants[1]})
    assert seen(asked(project, token)) == {tenants[0]}
    credentials: dict[str, Any] = {"headers": {"apikey": token, "Authorization": f"Bearer {token}"}}
    url = f"{project.url}/rest/v1/todolist?tenant_id=eq.{tenants[0]}"
    assert httpx.delete(url, **credentials).status_code == 403
    assert httpx.patch(url, json={"name": "mine"}, **credentials).status_code == 403
    assert asked(project, project.token("anon")).status_code in {401, 403}


def test_what_changes_is_published_and_nothing_else(project: SupabaseProject) -> None:
    with psycopg.connect(project.database_url) as owner:
        rows = owner.execute("select tablename from pg_publication_tables where pubname = 'supabase_realtime'")
        assert {name for (name,) in rows} == {"todolist", "events", "notifications"}
