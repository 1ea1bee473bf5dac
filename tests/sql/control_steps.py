"""What operators do to work, for tests of init.sql: setting a switch whole, and how tasks stand."""

from uuid import UUID

import psycopg

from kernel.control_models import KillSwitch
from kernel.functions import Kernel


async def switch(kernel: Kernel, scope: str, key: str = "", stops_running: bool = False) -> KillSwitch:
    """A switch that is set, and true for all that was queued."""
    made = await kernel.set_kill_switch(scope, key, "it runs wild", stops_running)
    await kernel.enforce_kill_switch(made.switch_id)
    return made


async def release(kernel: Kernel, made: KillSwitch) -> None:
    """Release a switch and give back what it had parked."""
    await kernel.release_kill_switch(made.switch_id)
    await kernel.resume_work()


def fleet_switch(owner: psycopg.Connection, stops_running: bool = False) -> UUID:
    """A switch of the whole fleet, as the owner of the database sets it."""
    set_switch = "select switch_id from kernel.set_switch(null, 'fleet', '', 'maintenance', %s, 'owner')"
    row = owner.execute(set_switch, [stops_running]).fetchone()
    assert row
    enforce = "select * from public.kill_switch s, kernel.enforce_switch(s, 500, kernel.now()) where switch_id = %s"
    owner.execute(enforce, [row[0]])
    return row[0]
