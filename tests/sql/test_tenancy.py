"""A tenant sees its own rows and no others, and no program writes a row but through the functions."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import product
from uuid import uuid4

import psycopg
import pytest
from fixture_types import Enqueue, Rows, StartInstance, StartPod
from instance_steps import agent_task, model_call, person_task
from psycopg import sql

from kernel.errors import NotFound
from kernel.functions import Kernel
from kernel.models import Agent

PROGRAM_ROLES = ("anon", "authenticated", "fleet_api", "fleet_pod", "fleet_deliver")
READERS = ("authenticated", "fleet_api", "fleet_pod")
TENANT_TABLES = {
    "tenants", "process_def", "decision_def", "bpm_proc_inst", "todolist", "events", "journal", "journal_blob",
    "journal_list", "task_question", "notifications", "documents", "document_chunk", "agent_profile",
    "event_wait", "event_arrival", "step_input", "kill_switch",
}  # fmt: skip
HIDDEN_TABLES = {
    "api_key", "idempotency_key", "pod", "notification_preference", "device_token", "webhook_endpoint", "outbox",
    "task_reminder", "mcp_server", "task_limit", "tenant_spend", "budget_warning",
}  # fmt: skip
SHARED_TABLES = {"agent_orch"}
VIEWS = {"incidents", "instance_overview", "model_spend"}
CHUNK = {"chunk": 1, "heading": "h", "content": "some words", "embedding": [0.5] * 1536}
DOCUMENT = {"title": "D", "source": "d.md", "media_type": "text/markdown", "content": "some words", "chunks": [CHUNK]}

ActAs = Callable[..., AbstractContextManager[psycopg.Connection]]


@pytest.fixture
def act_as(owner: psycopg.Connection) -> ActAs:
    """Takes on a role and claims for the length of a block: `with act_as("fleet_api", tenant_id="acme") as caller`."""

    @contextmanager
    def take(role: str, **claims: str) -> Iterator[psycopg.Connection]:
        with owner.transaction(force_rollback=True):
            owner.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
            owner.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            yield owner

    return take


@pytest.fixture
async def rows_of_both_tenants(kernel_api: Kernel, start_pod: StartPod) -> None:
    """A row of each tenant in every table of tenants."""
    pod = await start_pod()
    for tenant in ("acme", "globex"):
        api = kernel_api.as_tenant(tenant, f"user:ann@{tenant}.test")
        start = {"element": "s", "kind": "signal", "name": "go", "once": False}
        await api.deploy_definition("order", "Order", "<bpmn/>", {"starts": [start]}, [])
        await api.publish_signal("go", {}, "ann")
        await api.deploy_decisions("<dmn/>", [{"id": "d", "name": "D", "spec": {}}])
        first = {"revision": 0, "state": {}, "variables": {}, "ended": False, "cancelled": []}
        given = {"kind": "start", "variables": {}}
        step = {**first, "tasks": [agent_task(), person_task()], "given": given}
        await api.start_instance("order", 1, "ann", step, f"key-{tenant}", "f")
        await api.save_agent(Agent(agent_id="a", name="", role="", goal="", persona="", model=None, tools=[]))
        await api.save_documents("m", [DOCUMENT])
        claimed = await pod.claim()
        call = {**model_call(), "request": {"messages": [{"role": "user"}]}}
        call_id = (await pod.kernel.record_call(claimed, call)).call_id
        await pod.kernel.ask_question(claimed, call_id, {"kind": "person", "question": "Who?"})
        await pod.end(claimed, "failed", reason="no", retryable=False)
        await api.set_kill_switch("agent", "a", "why", False)


def test_every_table_has_row_level_security_forced_and_a_policy(rows: Rows) -> None:
    tables = rows("""
        select c.relname, c.relrowsecurity, c.relforcerowsecurity,
               exists (select from pg_policy p where p.polrelid = c.oid) as has_policy
        from pg_class c
        where c.relkind in ('r', 'p') and c.relnamespace in ('public'::regnamespace, 'kernel'::regnamespace)
        """)
    unguarded = [
        t["relname"] for t in tables if not all((t["relrowsecurity"], t["relforcerowsecurity"], t["has_policy"]))
    ]
    assert unguarded == []
    assert {table["relname"] for table in tables} == TENANT_TABLES | HIDDEN_TABLES | SHARED_TABLES


def test_every_view_shows_what_its_reader_may_see(rows: Rows) -> None:
    views = rows("""select relname, 'security_invoker=true' = any (reloptions) as invoker from pg_class
        where relkind in ('v', 'm') and relnamespace in ('public'::regnamespace, 'kernel'::regnamespace)""")
    assert {view["relname"]: view["invoker"] for view in views} == dict.fromkeys(VIEWS, True)


def test_no_program_holds_any_right_but_reading(rows: Rows) -> None:
    rights = rows(
        """
        select r.rolname, c.relname, a.privilege_type
        from pg_class c, lateral aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
        left join pg_roles r on r.oid = a.grantee
        where c.relnamespace in ('public'::regnamespace, 'kernel'::regnamespace)
          and c.relkind in ('r', 'p', 'v', 'm', 'S') and (r.rolname = any (%s) or a.grantee = 0)
        """,
        list(PROGRAM_ROLES),
    )
    granted = {(right["rolname"], right["relname"], right["privilege_type"]) for right in rights}
    tables = {(role, table, "SELECT") for role in READERS for table in TENANT_TABLES | SHARED_TABLES}
    assert granted == tables | {(role, view, "SELECT") for role in ("authenticated", "fleet_api") for view in VIEWS}


def test_no_program_writes_a_table(act_as: ActAs, owner: psycopg.Connection) -> None:
    statements = ["update tenants set name = 'mine'"]
    for table in sorted(TENANT_TABLES | HIDDEN_TABLES | SHARED_TABLES):
        statements += [f"insert into {table} default values", f"delete from {table}", f"truncate {table} cascade"]
    for role, statement in product(PROGRAM_ROLES, statements):
        with act_as(role, tenant_id="acme") as caller, pytest.raises(psycopg.errors.InsufficientPrivilege):
            caller.execute(statement)  # type: ignore[arg-type]
    assert owner.execute("update tenants set name = 'Acme' where tenant_id = 'acme'").rowcount == 1


@pytest.mark.usefixtures("rows_of_both_tenants")
def test_a_reader_sees_every_table_of_its_tenant_and_nothing_of_another(act_as: ActAs, rows: Rows) -> None:
    for role, table in product(READERS, sorted(TENANT_TABLES)):
        counts = {row["tenant_id"]: row["n"] for row in rows(f"select tenant_id, count(*) n from {table} group by 1")}
        assert set(counts) == {"acme", "globex"}, f"{table}: the test has no rows of both"
        for tenant, number in counts.items():
            with act_as(role, tenant_id=tenant) as caller:
                seen = caller.execute(f"select tenant_id from {table}").fetchall()  # type: ignore[arg-type]
            assert seen == [(tenant,)] * number, (role, table)
        with act_as(role) as caller:
            assert caller.execute(f"select from {table}").rowcount == 0, (role, table)  # type: ignore[arg-type]


@pytest.mark.usefixtures("rows_of_both_tenants")
def test_a_view_shows_its_reader_one_tenant(act_as: ActAs, rows: Rows) -> None:
    for view in sorted(VIEWS):
        tenants = {row["tenant_id"] for row in rows(f"select tenant_id from {view}")}
        with act_as("authenticated", tenant_id="globex") as caller:
            seen = set(caller.execute(f"select tenant_id from {view}").fetchall())  # type: ignore[arg-type]
        assert (tenants, seen) == ({"acme", "globex"}, {("globex",)}), view


def test_keys_and_pods_are_seen_through_functions_alone(act_as: ActAs) -> None:
    for role, table in product(PROGRAM_ROLES, sorted(HIDDEN_TABLES)):
        with act_as(role, tenant_id="acme") as caller, pytest.raises(psycopg.errors.InsufficientPrivilege):
            caller.execute(f"select from {table}")  # type: ignore[arg-type]


@pytest.mark.usefixtures("rows_of_both_tenants")
async def test_every_reading_method_shows_the_tenant_of_the_claims(kernel_api: Kernel) -> None:
    acme, globex = kernel_api, kernel_api.as_tenant("globex", "user:gil@globex.test")
    (mine,), (theirs,) = await acme.find_instances(), await globex.find_instances()
    assert mine.id != theirs.id
    assert await acme.get_instance(theirs.id) is None
    assert (
        await acme.find_tasks(theirs.id) == await acme.find_events(theirs.id) == await acme.find_calls(theirs.id) == []
    )
    assert len(await globex.find_tasks(theirs.id)) == 2
    assert (await acme.instance_cost(theirs.id)).model_calls == 0
    assert (await globex.instance_cost(theirs.id)).model_calls == 1
    assert len(await acme.find_definitions()) == len(await acme.find_agents()) == len(await acme.find_documents()) == 1
    assert len(await acme.search_documents("words", "m", [0.5] * 1536, 50)) == 1
    (their_document,) = await globex.find_documents()
    assert await acme.get_document(their_document.doc_id) is None
    with pytest.raises(NotFound):
        await acme.delete_document(their_document.doc_id)
    assert await globex.get_document(their_document.doc_id) is not None
    nobody = Kernel(kernel_api.transport, {})
    assert await nobody.find_instances() == await nobody.find_tasks() == await nobody.find_definitions() == []


async def test_a_task_cannot_point_at_another_tenants_instance(
    enqueue: Enqueue, start_instance: StartInstance, owner: psycopg.Connection
) -> None:
    instance_id = await start_instance(person_task())
    await enqueue(tenant="globex")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        owner.execute("update todolist set proc_inst_id = %s where tenant_id = 'globex'", [instance_id])
    assert owner.execute("update todolist set proc_inst_id = null where tenant_id = 'globex'").rowcount == 1


async def test_claims_last_for_one_call(kernel_api: Kernel, enqueue: Enqueue) -> None:
    await enqueue()
    assert len(await kernel_api.find_tasks()) == 1
    assert await Kernel(kernel_api.transport).find_tasks() == []


async def test_a_pod_reads_nothing_without_the_tenant_of_its_task(
    start_pod: StartPod, start_instance: StartInstance
) -> None:
    pod = await start_pod()
    await start_instance(agent_task())
    claimed = await pod.claim()
    assert claimed.proc_inst_id is not None
    assert await pod.kernel.get_instance(claimed.proc_inst_id) is None
    within = pod.kernel.as_tenant(claimed.tenant_id, f"pod:{pod.pod_id}")
    assert await within.get_instance(claimed.proc_inst_id) is not None
    assert await within.get_instance(uuid4()) is None
