"""init.sql itself: applied again it changes nothing, and it needs no superuser."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from fixture_types import StartInstance
from instance_steps import agent_task, person_task, step
from psycopg.conninfo import make_conninfo
from schema_catalogue import catalogue

from kernel.embedded import EmbeddedPostgres
from kernel.event_types import EventType
from kernel.functions import Kernel
from kernel.migrate import create_tenant, migrate
from kernel.postgres import PostgresConnection


async def test_applied_again_it_changes_neither_the_schema_nor_a_row(
    owner: psycopg.Connection, database_url: str, start_instance: StartInstance
) -> None:
    await start_instance(person_task(), agent_task())
    rows = "select jsonb_agg(to_jsonb(t)) from todolist t"
    before = catalogue(owner), owner.execute(rows).fetchone()
    assert all(len(lines) > 0 for kind, lines in before[0].items() if kind not in {"triggers", "memberships"})
    migrate(database_url)
    assert (catalogue(owner), owner.execute(rows).fetchone()) == before


def test_the_types_of_events_are_the_same_in_sql_and_in_python(owner: psycopg.Connection) -> None:
    found = owner.execute("select unnest(enum_range(null::public.event_type))::text").fetchall()
    assert {word for (word,) in found} == set(EventType)


def test_the_comparison_sees_a_change_of_every_kind(owner: psycopg.Connection) -> None:
    changes = {
        "columns": "alter table todolist add column extra int",
        "indexes": "drop index todolist_ready",
        "constraints": "alter table journal drop constraint journal_call_outcomes",
        "policies": "drop policy own_tenant on todolist",
        "functions": "grant execute on function find_agents to anon",
        "relations": "alter table todolist no force row level security",
        "sequences": "select nextval('kernel.fencing_token')",
    }
    for kind, change in changes.items():
        before = catalogue(owner)[kind]
        with owner.transaction(force_rollback=True):
            owner.execute(change)  # type: ignore[arg-type]
            assert catalogue(owner)[kind] != before, kind


def test_what_was_taken_away_comes_back(owner: psycopg.Connection, database_url: str) -> None:
    before = catalogue(owner)
    owner.execute("drop index todolist_ready")
    owner.execute("drop policy own_tenant on todolist")
    owner.execute("grant insert on todolist to authenticated")
    owner.execute("grant execute on function next_task to public")
    owner.execute("alter table todolist no force row level security")
    migrate(database_url)
    assert catalogue(owner) == before


def rights_of_the_public(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    """What anon and authenticated may do with each relation and function of ours."""
    return connection.execute("""
        select o.oid::regclass::text, r.rolname, a.privilege_type from pg_class o
        cross join aclexplode(coalesce(o.relacl, acldefault('r', o.relowner))) a join pg_roles r on r.oid = a.grantee
        where o.relnamespace = 'public'::regnamespace and r.rolname in ('anon', 'authenticated')
        union all
        select o.oid::regprocedure::text, r.rolname, a.privilege_type from pg_proc o
        cross join aclexplode(coalesce(o.proacl, acldefault('f', o.proowner))) a join pg_roles r on r.oid = a.grantee
        where o.pronamespace = 'public'::regnamespace and r.rolname in ('anon', 'authenticated')
        order by 1, 2, 3""").fetchall()


def test_rights_that_a_hosted_database_gives_by_default_are_taken_back(
    server: EmbeddedPostgres, owner: psycopg.Connection
) -> None:
    with psycopg.connect(server.url, autocommit=True) as superuser:
        superuser.execute("create database generous")
        url = make_conninfo(server.url, dbname="generous")
        try:
            with psycopg.connect(url, autocommit=True) as installer:
                for things in ("tables", "functions", "sequences"):
                    installer.execute(
                        f"alter default privileges in schema public grant all on {things} to anon, authenticated"
                    )
                migrate(url)
                assert rights_of_the_public(installer) == rights_of_the_public(owner)
        finally:
            superuser.execute("drop database generous with (force)")


@pytest.fixture(scope="module")
def plain_database() -> Iterator[str]:
    """A database whose owner may make roles but is no superuser, as on a hosted PostgreSQL, on a server of its own."""
    with tempfile.TemporaryDirectory(prefix="fleet-test-") as folder, EmbeddedPostgres(Path(folder) / "data") as server:
        with psycopg.connect(server.url, autocommit=True) as superuser:
            superuser.execute("create role installer login createrole")
            superuser.execute("create database hosted owner installer")
        url = make_conninfo(server.url, dbname="hosted")
        with psycopg.connect(url, autocommit=True) as superuser:
            superuser.execute("create schema extensions")
            superuser.execute("grant usage on schema extensions to installer with grant option")
            superuser.execute("create extension vector with schema extensions")
        yield make_conninfo(url, user="installer")


async def test_it_needs_no_superuser_and_its_functions_work_under_forced_row_level_security(
    plain_database: str,
) -> None:
    migrate(plain_database)
    migrate(plain_database)
    create_tenant(plain_database, "acme", "Acme")
    api = Kernel(PostgresConnection(plain_database, "fleet_api")).as_tenant("acme", "user:ann@acme.test")
    pod = Kernel(PostgresConnection(plain_database, "fleet_pod"))
    pod_id = uuid4()
    await pod.register_pod(pod_id, "pod", [{"id": "echo", "description": ""}], None)
    await api.deploy_definition("order", "Order", "<bpmn/>", {}, ["echo"])
    started = await api.start_instance("order", 1, "ann@acme.test", step(0, agent_task()))
    task = await pod.next_task(pod_id, ["echo"], 60)
    assert task is not None and task.proc_inst_id == started.proc_inst_id
    assert (await pod.renew_lease(task, 60)).state == "renewed"
    chunk = {"chunk": 1, "heading": "h", "content": "words", "embedding": [0.5] * 1536}
    await pod.save_task_document(task, "T", "words", [], "m", [chunk], uuid4())
    done = {
        "tenant_id": "acme",
        "task_id": str(task.task_id),
        "proc_inst_id": str(task.proc_inst_id),
        "fencing_token": task.fencing_token,
        "outcome": "done",
        "output": {},
        "step": step(1, ended=True),
    }
    assert await pod.next_task(pod_id, ["echo"], 60, done) is None
    instance = await api.get_instance(started.proc_inst_id)
    assert instance is not None and instance.status == "COMPLETED"
    assert len(await api.search_documents("words", "m", [0.5] * 1536, 5)) == 1
    for kernel in (api, pod):
        await kernel.transport.close()  # type: ignore[attr-defined]


def test_whoever_applied_it_is_no_superuser_and_no_function_owner_can_bypass_row_level_security(
    plain_database: str,
) -> None:
    migrate(plain_database)
    with psycopg.connect(plain_database) as installer:
        owners = installer.execute("""select distinct r.rolname, r.rolsuper, r.rolbypassrls from pg_proc p
            join pg_roles r on r.oid = p.proowner where p.prosecdef and p.pronamespace = 'public'::regnamespace""")
        assert owners.fetchall() == [("installer", False, False)]
