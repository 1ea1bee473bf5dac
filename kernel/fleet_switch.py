"""Kill switches of the whole fleet, which only the database's owner sets and releases, and the names of its tenants."""

from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import class_row, dict_row

from kernel.control_models import KillSwitch, Stoppable
from kernel.errors import from_database
from kernel.migrate import owner_connection

_ACTOR = "owner"
_BATCH = 500


def tenants(database_url: str) -> list[str]:
    """The ids of all tenants. Raises DatabaseUnavailable."""
    with owner_connection(database_url) as owner:
        return [row[0] for row in owner.execute("select tenant_id from public.tenants order by 1")]


def set_fleet_switch(database_url: str, reason: str, stops_running: bool) -> tuple[KillSwitch, int, int]:
    """Stop all claims of all tenants. Returns the switch, how many tasks were parked and how many running ones taken
    back (`stops_running`; else these may finish).

    Raises Conflict (it is set already), DatabaseUnavailable.
    """
    query = "select * from kernel.set_switch(null, 'fleet', '', %s, %s, %s)"
    with owner_connection(database_url) as owner:
        made = _switch(owner, query, [reason, stops_running, _ACTOR])
        parked = stopped = 0
        while batch := _enforced(owner, made.switch_id):
            parked, stopped = parked + batch[0], stopped + batch[1]
        return made, parked, stopped


def release_fleet_switch(database_url: str, switch_id: UUID) -> tuple[KillSwitch, int]:
    """Release a switch of any tenant or of the fleet. Returns it and how many tasks are back in the queue.

    Raises Conflict (there is none that is set), DatabaseUnavailable.
    """
    with owner_connection(database_url) as owner:
        released = _switch(owner, "select * from kernel.end_switch(%s, %s)", [switch_id, _ACTOR])
        resumed = 0
        while batch := _number(owner, "select kernel.resume(null, %s, kernel.now())", [_BATCH]):
            resumed += batch
        return released, resumed


def drill_fleet_switch(database_url: str, reason: str) -> Stoppable:
    """What a switch of the fleet would stop now; every tenant gets an event. Raises DatabaseUnavailable."""
    query = "select * from kernel.drill_switch(null, 'fleet', '', %s, %s)"
    with owner_connection(database_url) as owner, owner.cursor(row_factory=dict_row) as cursor:
        return Stoppable.model_validate(cursor.execute(query, [reason, _ACTOR]).fetchone())


def fleet_switches(database_url: str) -> list[KillSwitch]:
    """All switches that are set, of tenants and of the fleet, newest first. Raises DatabaseUnavailable."""
    query = "select * from public.kill_switch where released_at is null order by switch_id desc"
    with owner_connection(database_url) as owner, owner.cursor(row_factory=class_row(KillSwitch)) as cursor:
        return cursor.execute(query).fetchall()


def _switch(owner: psycopg.Connection, query: LiteralString, values: list[object]) -> KillSwitch:
    try:
        with owner.cursor(row_factory=dict_row) as cursor:
            return KillSwitch.model_validate(cursor.execute(query, values).fetchone())
    except psycopg.Error as error:
        raise from_database(error) from None


def _enforced(owner: psycopg.Connection, switch_id: UUID) -> tuple[int, int] | None:
    query = """select e.parked, e.stopped from public.kill_switch s, kernel.enforce_switch(s, %s, kernel.now()) e
        where s.switch_id = %s and s.released_at is null"""
    row = owner.execute(query, [_BATCH, switch_id]).fetchone()
    return (row[0], row[1]) if row and (row[0] or row[1]) else None


def _number(owner: psycopg.Connection, query: LiteralString, values: list[object]) -> int:
    row = owner.execute(query, values).fetchone()
    return int(row[0]) if row else 0
