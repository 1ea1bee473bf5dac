"""Which role may call which function, read from the catalogue: a function that is not in the table fails here."""

from itertools import product
from uuid import uuid4

import psycopg
import pytest
from fixture_types import Rows

from kernel.errors import Forbidden
from kernel.functions import Kernel

ROLES = ("anon", "authenticated", "service_role", "fleet_api", "fleet_pod", "fleet_deliver")
POD = {"fleet_pod", "service_role"}
API = {"fleet_api", "service_role"}
DELIVERER = {"fleet_deliver", "service_role"}
READER = {"authenticated", "fleet_api"}
EVERY_READER = READER | {"fleet_pod"}
MAY_CALL: dict[str, set[str]] = {
    "create_tenant": set(),
    "set_tenant_share": set(),
    "set_tenant_retries": set(),
    "set_tenant_limits": set(),
    "create_api_key": set(),
    "register_pod": POD,
    "heartbeat_pod": POD,
    "next_task": POD,
    "renew_lease": POD,
    "record_call": POD,
    "journalled_calls": POD,
    "replay_call": POD,
    "replay_calls": POD,
    "ask_question": POD,
    "await_answer": POD,
    "suspend_task": POD,
    "answer_question": API,
    "find_questions": API,
    "report_progress": POD,
    "task_limits": POD,
    "journal_call": POD,
    "warn_of_limit": POD,
    "extend_task": API,
    "get_budget": API,
    "save_task_document": POD,
    "task_mcp_servers": {"fleet_pod"},
    "authenticate_api_key": API,
    "note_api_key_use": API,
    "find_api_keys": API,
    "make_api_key": API,
    "rotate_api_key": API,
    "revoke_api_key": API,
    "find_inbox": API,
    "want_events": API,
    "event_marks": API,
    "events_between": API,
    "claim_task": API,
    "release_task": API,
    "delegate_task": API,
    "reassign_task": API,
    "change_task": API,
    "retry_task": API,
    "retry_instance": API,
    "retry_incident": API,
    "discard_incident": API,
    "move_token": API,
    "fork_instance": API,
    "find_steps": READER,
    "cost_to_repeat": READER,
    "find_incidents": READER,
    "deploy_definition": API,
    "deploy_decisions": API,
    "start_instance": API,
    "submit_task": API,
    "cancel_instance": API,
    "cancel_task": API,
    "find_open_work": API,
    "find_effects": READER,
    "set_kill_switch": API,
    "enforce_kill_switch": API,
    "release_kill_switch": API,
    "resume_work": API,
    "drill_kill_switch": API,
    "find_kill_switches": API,
    "enqueue_tasks": API,
    "publish_message": API,
    "publish_signal": API,
    "take_arrivals": API | POD,
    "settle_arrival": API | POD,
    "save_agent": API,
    "put_mcp_server": API,
    "find_mcp_servers": API,
    "switch_mcp_server": API,
    "delete_mcp_server": API,
    "save_document": API,
    "save_documents": API,
    "delete_document": API,
    "find_pods": API,
    "queue_depths": API | POD,
    "search_documents": EVERY_READER,
    "get_definition": EVERY_READER,
    "get_decision": EVERY_READER,
    "get_instance": EVERY_READER,
    "get_document": EVERY_READER,
    "find_definitions": READER,
    "find_decisions": READER,
    "find_instances": READER,
    "get_task": READER,
    "find_tasks": READER,
    "find_events": READER,
    "find_calls": READER,
    "instance_cost": READER,
    "find_documents": READER,
    "find_agents": READER,
    "find_orchestrators": READER,
    "describe_functions": {"fleet_api", "fleet_pod", "fleet_deliver"},
    "find_notifications": READER,
    "follow_notifications": READER,
    "mark_notification": API,
    "mark_notifications": API,
    "get_preferences": API,
    "save_preferences": API,
    "save_device": API,
    "find_devices": API,
    "delete_device": API,
    "create_webhook": API,
    "save_webhook": API,
    "find_webhooks": API,
    "rotate_webhook_secret": API,
    "delete_webhook": API,
    "find_deliveries": API,
    "retry_delivery": API,
    "claim_deliveries": DELIVERER,
    "finish_delivery": DELIVERER,
    "tend_outbox": DELIVERER,
    "remind_people": DELIVERER,
    "outbox_depths": DELIVERER,
}
OURS = """p.pronamespace = '{}'::regnamespace
    and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')"""
PUBLIC = OURS.format("public")
KERNEL = OURS.format("kernel")
RIGHTS = """select p.proname, array(select r from unnest(%s::text[]) r
    where has_function_privilege(r, p.oid, 'execute')) as roles from pg_proc p where """


def test_each_function_of_schema_public_is_open_to_its_callers_alone(rows: Rows) -> None:
    assert {f["proname"]: set(f["roles"]) for f in rows(RIGHTS + PUBLIC, list(ROLES))} == MAY_CALL


def test_of_schema_kernel_programs_may_call_only_what_the_policies_need(rows: Rows) -> None:
    open_functions = {f["proname"]: set(f["roles"]) for f in rows(RIGHTS + KERNEL, list(ROLES)) if f["roles"]}
    whole_calls = dict.fromkeys(("whole_call", "unpacked", "unpacked_blob", "unpacked_list"), READER)
    assert open_functions == dict.fromkeys(("claims", "tenant_id"), EVERY_READER) | whole_calls


def test_no_function_is_open_to_everybody(rows: Rows) -> None:
    assert rows(f"select proname from pg_proc p where ({PUBLIC} or {KERNEL}) and proacl is null") == []
    everybody = "exists (select from aclexplode(proacl) a where a.grantee = 0)"
    assert rows(f"select proname from pg_proc p where ({PUBLIC} or {KERNEL}) and {everybody}") == []


def test_every_definers_function_sets_its_search_path_to_nothing(rows: Rows) -> None:
    definers = rows(f"""select proname, 'search_path=""' = any (proconfig) as safe from pg_proc p
        where prosecdef and ({PUBLIC} or {KERNEL})""")
    assert len(definers) > 15
    assert [f["proname"] for f in definers if not f["safe"]] == []


def test_what_has_no_search_path_of_its_own_is_open_to_nobody(rows: Rows) -> None:
    without = rows(f"""select p.oid::regproc::text as name, prosecdef or exists (select from unnest(%s::text[]) r
            where has_function_privilege(r, p.oid, 'execute')) as reachable from pg_proc p
        where ({PUBLIC} or {KERNEL}) and not exists (select from unnest(proconfig) c where c like 'search_path=%%')""",
        list(ROLES))  # fmt: skip
    assert "kernel.now" in {f["name"] for f in without}
    assert {f["name"] for f in without if f["reachable"]} == set()


def test_every_function_of_schema_public_returns_a_set_and_has_one_form(rows: Rows) -> None:
    functions = rows(f"select proname, proretset, proargnames from pg_proc p where {PUBLIC}")
    assert [f["proname"] for f in functions if not f["proretset"]] == []
    assert len({f["proname"] for f in functions}) == len(functions)


def test_no_role_of_a_program_can_bypass_row_level_security_or_become_another(rows: Rows) -> None:
    programs = ["fleet_api", "fleet_pod", "fleet_deliver"]
    rights = "select rolsuper, rolbypassrls, rolcreaterole, rolcanlogin from pg_roles where rolname = any (%s)"
    assert [set(row.values()) for row in rows(rights, programs)] == [{False}] * 3
    member = "select from pg_auth_members m join pg_roles r on r.oid = m.member where r.rolname = any (%s)"
    assert rows(member, programs) == []


async def test_programs_cannot_make_tenants_or_keys(kernel_api: Kernel, kernel_pod: Kernel) -> None:
    for kernel in (kernel_api, kernel_pod):
        for function, arguments in (
            ("create_tenant", {"tenant_id": "mine", "name": "Mine"}),
            ("create_api_key", {"tenant_id": "acme", "name": "mine", "key_hash": "00"}),
        ):
            with pytest.raises(Forbidden) as refusal:
                await kernel.transport.call(function, kernel.claims, **arguments)
            assert refusal.value.http_status == 403


async def test_the_api_cannot_claim_and_a_pod_cannot_start(kernel_api: Kernel, kernel_pod: Kernel) -> None:
    with pytest.raises(Forbidden):
        await kernel_api.next_task(uuid4(), ["echo"], 60)
    with pytest.raises(Forbidden):
        await kernel_pod.as_tenant("acme", "pod:x").enqueue_tasks([])
    assert await kernel_pod.next_task(uuid4(), ["echo"], 60) is None


def test_programs_cannot_move_the_clock(owner: psycopg.Connection) -> None:
    statements = ("select kernel.set_clock('1 hour')", "select setval('kernel.clock_offset_ms', 1)")
    for role, statement in product(ROLES, statements):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), owner.transaction():
            owner.execute(f"set local role {role}")  # type: ignore[arg-type]
            owner.execute(statement)  # type: ignore[arg-type]


def test_the_clock_moves_every_time_of_the_database(owner: psycopg.Connection) -> None:
    for hours in (5, -5, 0):
        (moved,) = owner.execute("select kernel.set_clock(make_interval(hours => %s))", [hours]).fetchone() or ()
        (now, real) = owner.execute("select kernel.now(), clock_timestamp()").fetchone() or ()
        assert moved <= now
        assert abs((now - real).total_seconds() - hours * 3600) < 5
