"""Every table, view and function of the catalogue, by every verb and role, for one's own tenant and for another.

Nothing here knows a table by name: a new one without row-level security, or without a policy, fails. Beside each
refusal stands the same statement by somebody who may.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from any_rows import Relation, fill, insert_of, relations

ROLES = ("anon", "authenticated", "service_role", "fleet_api", "fleet_pod", "fleet_deliver")
OWN, OTHER = "acme", "globex"
DENIED = psycopg.errors.InsufficientPrivilege
_FUNCTIONS = """
    select p.proname, p.provolatile <> 'v', array(
        select a.name || ' => ' || case when a.type = 'uuid'::regtype then quote_literal(md5(%s)) || '::uuid'
            when a.type = 'text'::regtype then quote_literal(%s) else 'null::' || a.type::regtype::text end
        from unnest(p.proargnames[1:p.pronargs - p.pronargdefaults], p.proargtypes::oid[]) with ordinality
            a(name, type, place) where a.name is not null)
    from pg_proc p
    where p.pronamespace = 'public'::regnamespace
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e') order by p.proname"""
_OF_ALL_TENANTS = {"queue_depths", "authenticate_api_key"}  # numbers only; and whoever has the key


@pytest.fixture
def filled(owner: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The owner's connection, in a transaction in which every table has a row of each tenant."""
    with owner.transaction(force_rollback=True):
        fill(owner, OWN, OTHER)
        yield owner


@contextmanager
def attempt(owner: psycopg.Connection, role: str | None, tenant: str | None) -> Iterator[psycopg.Connection]:
    """Act as `role` (None: the owner) with claims of `tenant`, and undo whatever is done."""
    with owner.transaction(force_rollback=True):
        claims = {"tenant_id": tenant} if tenant else {}
        owner.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
        if role:
            owner.execute(f"set local role {role}")  # type: ignore[arg-type]
        else:
            owner.execute("set local session_replication_role = replica")  # no foreign key is in its way
        yield owner


def does(owner: psycopg.Connection, role: str | None, tenant: str | None, statement: str) -> int | None:
    """How many rows `statement` reaches; None where it is refused."""
    with attempt(owner, role, tenant) as caller:
        try:
            return caller.execute(statement).rowcount  # type: ignore[arg-type]
        except DENIED:
            return None


def writes(owner: psycopg.Connection, table: Relation, tenant: str) -> dict[str, str]:
    """A statement of each writing verb that reaches rows of `tenant`."""
    where = f" where tenant_id = '{tenant}'" if table.of_tenants else ""
    column = owner.execute(f"select * from {table.name} limit 0").description[0].name  # type: ignore[arg-type, index]
    return {
        "insert": insert_of(owner, table, tenant),
        "update": f'update {table.name} set "{column}" = "{column}"{where}',
        "delete": f"delete from {table.name}{where}",
        "truncate": f"truncate {table.name} cascade",
    }


def test_every_role_of_a_program_is_looked_at(owner: psycopg.Connection) -> None:
    ours = owner.execute("select rolname from pg_roles where rolname like 'fleet\\_%'").fetchall()
    assert {name for (name,) in ours} == {role for role in ROLES if role.startswith("fleet_")}


def test_every_table_has_rows_of_both_tenants_to_look_at(filled: psycopg.Connection) -> None:
    tables = relations(filled, "r", "p")
    assert len(tables) >= 14
    for table in tables:
        assert does(filled, None, None, f"select from {table.name}") == (2 if table.of_tenants else 1), table


@pytest.mark.parametrize("role", ROLES)
def test_reading_shows_ones_own_tenant_or_nothing(filled: psycopg.Connection, role: str) -> None:
    for table in relations(filled, "r", "p", "v", "m"):
        everything = f"select * from {table.name}"
        privilege = "select has_table_privilege(%s, %s, 'select')"
        (may_read,) = filled.execute(privilege, [role, table.name]).fetchone() or (None,)
        if not may_read:
            assert does(filled, role, OWN, everything) is None, f"{role} reads {table.name}"
            assert does(filled, None, None, everything) is not None
        elif table.of_tenants:
            theirs = f"{everything} where tenant_id = '{OTHER}'"
            assert does(filled, role, OWN, theirs) == 0, f"{role} of {OWN} sees rows of {OTHER} in {table.name}"
            assert does(filled, None, None, theirs)
            assert does(filled, role, OWN, everything), f"{role} does not see its own row of {table.name}"
            assert does(filled, role, OTHER, theirs), f"{role} of {OTHER} does not see its row of {table.name}"
            assert does(filled, role, None, everything) == 0, f"{role} of no tenant sees rows of {table.name}"


@pytest.mark.parametrize("role", ROLES)
def test_no_role_writes_any_table(filled: psycopg.Connection, role: str) -> None:
    for table in relations(filled, "r", "p"):
        for tenant in (OWN, OTHER):
            for verb, statement in writes(filled, table, tenant).items():
                assert does(filled, role, OWN, statement) is None, f"{role} may {verb} {table.name}"


@pytest.mark.parametrize("role", [role for role in ROLES if role != "service_role"])
def test_policies_hold_even_where_somebody_grants_everything(filled: psycopg.Connection, role: str) -> None:
    for table in relations(filled, "r", "p"):
        filled.execute(f"grant all on {table.name} to {role}")  # type: ignore[arg-type]
        statements = writes(filled, table, OTHER)
        if table.of_tenants:
            theirs = f"select from {table.name} where tenant_id = '{OTHER}'"
            assert does(filled, role, OWN, theirs) == 0, f"{table.name} has no policy that keeps tenants apart"
            assert does(filled, None, None, theirs) == 1
        for verb in ("update", "delete"):
            assert does(filled, role, OWN, statements[verb]) == 0, f"{role} can {verb} rows of {table.name}"
            assert does(filled, None, None, statements[verb]) == 1
        filled.execute("set local session_replication_role = replica")
        filled.execute(f"delete from {table.name}")  # type: ignore[arg-type]
        assert does(filled, role, OWN, statements["insert"]) is None, f"{role} can insert into {table.name}"
        assert does(filled, None, None, statements["insert"]) == 1
        filled.execute("set local session_replication_role = origin")


def test_a_table_without_policy_or_without_row_level_security_would_be_found(filled: psycopg.Connection) -> None:
    filled.execute("create table public.forgotten (tenant_id text, secret text)")
    filled.execute("insert into public.forgotten values ('acme', 'a'), ('globex', 'g')")
    with pytest.raises(AssertionError, match=r"forgotten has no policy"), filled.transaction(force_rollback=True):
        test_policies_hold_even_where_somebody_grants_everything(filled, "authenticated")
    filled.execute("alter table public.forgotten enable row level security")
    filled.execute("grant select on public.forgotten to authenticated")
    with pytest.raises(AssertionError, match=r"does not see its own row of public.forgotten"):
        test_reading_shows_ones_own_tenant_or_nothing(filled, "authenticated")


def calls(owner: psycopg.Connection, tenant: str) -> list[tuple[str, str, bool]]:
    """Name, call and whether it only reads, of every function; its ids and texts are those of `tenant`."""
    functions = owner.execute(_FUNCTIONS, [tenant, tenant])
    return [(name, f"select * from public.{name}({', '.join(given)})", reads) for name, reads, given in functions]


def run(owner: psycopg.Connection, role: str | None, tenant: str | None, call: str) -> tuple[str, str]:
    """What a call gives as text, and its error."""
    with attempt(owner, role, tenant) as caller:
        try:
            with caller.transaction():
                return str(caller.execute(call).fetchall()), ""  # type: ignore[arg-type]
        except psycopg.Error as error:
            return "", str(error)


def test_a_function_that_a_role_may_not_call_is_refused_and_one_that_it_may_is_not(filled: psycopg.Connection) -> None:
    refused = 0
    for name, call, _ in calls(filled, OWN):
        closed = f"permission denied for function {name}"
        assert closed not in run(filled, None, OWN, call)[1]
        for role in ROLES:
            privilege = "select bool_or(has_function_privilege(%s, oid, 'execute')) from pg_proc where proname = %s"
            (may_call,) = filled.execute(privilege, [role, name]).fetchone() or (None,)
            assert (closed in run(filled, role, OWN, call)[1]) is not may_call, (role, name)
            refused += not may_call
    assert refused > 50


@pytest.mark.parametrize("role", ["authenticated", "fleet_api"])
def test_no_reading_function_gives_another_answer_for_the_rows_of_another_tenant(
    filled: psycopg.Connection, role: str
) -> None:
    reading = [(name, call) for name, call, reads in calls(filled, OTHER) if reads and name not in _OF_ALL_TENANTS]
    with_rows = {call: [run(filled, role, tenant, call) for tenant in (OWN, OTHER)] for _, call in reading}
    filled.execute("set local session_replication_role = replica")
    for table in relations(filled, "r", "p"):
        if table.of_tenants:
            filled.execute(f"delete from {table.name} where tenant_id = '{OTHER}'")  # type: ignore[arg-type]
    filled.execute("set local session_replication_role = origin")
    theirs = set()
    for name, call in reading:
        assert run(filled, role, OWN, call) == with_rows[call][0], f"{role} of {OWN} sees rows of {OTHER} with {name}"
        if run(filled, role, OTHER, call) != with_rows[call][1]:
            theirs.add(name)
    assert {"find_tasks", "find_instances", "find_agents", "get_task", "get_instance", "find_events"} <= theirs


@pytest.mark.parametrize("role", ["authenticated", "fleet_api"])
def test_no_function_changes_a_row_of_another_tenant(filled: psycopg.Connection, role: str) -> None:
    tables = [table.name for table in relations(filled, "r", "p") if table.of_tenants]
    before = rows_of(filled, tables)
    assert len(before) == len(tables)
    for name, call, reads in calls(filled, OTHER):
        if reads:
            continue
        with attempt(filled, role, OWN) as caller:
            with suppress(psycopg.Error), caller.transaction():
                caller.execute(call)  # type: ignore[arg-type]
            caller.execute("reset role")
            assert rows_of(filled, tables) == before, f"{role} of {OWN} changes rows of {OTHER} with {name}"


def rows_of(owner: psycopg.Connection, tables: list[str]) -> list[str]:
    """All rows of the other tenant, as text."""
    query = "select t::text from {} t where tenant_id = %s order by 1"
    return [row[0] for name in tables for row in owner.execute(query.format(name), [OTHER])]  # type: ignore[arg-type]
