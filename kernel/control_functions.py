"""The functions of init.sql by which operators cancel work and hold it back, one method each.

The tenant is the one of the kernel's claims. Each cancel is a transaction of its own, so that the first pod stops
before the last one is told; kill switches park and resume in batches, so that no claim waits for them.
"""

from typing import Any
from uuid import UUID

from kernel.base import KernelBase
from kernel.control_models import Effect, KillSwitch, OpenWork, Stoppable


class ControlFunctions(KernelBase):
    """Cancelling tasks, finding what a cancel is about, and kill switches."""

    async def cancel_task(self, task_id: UUID, reason: str) -> None:
        """Cancel one open task; its instance is in ERROR then. Raises NotFound, Conflict (it has ended)."""
        await self._call("cancel_task", task_id=task_id, reason=reason)

    async def find_open_work(self, scope: str, key: str, limit: int) -> list[OpenWork]:
        """What is open in `scope` (agent or orchestrator, whose id is `key`; or tenant); what runs comes first."""
        rows = await self._call("find_open_work", scope=scope, key=key, limit=limit)
        return [OpenWork.model_validate(row) for row in rows]

    async def find_effects(self, instances: list[UUID], tasks: list[UUID], limit: int) -> list[Effect]:
        """Tool calls with effects of open and cancelled tasks, given by their instances or themselves; oldest first."""
        rows = await self._call(
            "find_effects", instances=[str(i) for i in instances], tasks=[str(t) for t in tasks], limit=limit
        )
        return [Effect.model_validate(row) for row in rows]

    async def set_kill_switch(self, scope: str, key: str, reason: str, stops_running: bool) -> KillSwitch:
        """Set a switch; `enforce_kill_switch` parks what is queued already.

        Raises InvalidInput (no such scope), NotFound (no such orchestrator or agent), Conflict (it is set already).
        """
        rows = await self._call("set_kill_switch", scope=scope, key=key, reason=reason, stops_running=stops_running)
        return KillSwitch.model_validate(rows[0])

    async def enforce_kill_switch(self, switch_id: UUID) -> tuple[int, int]:
        """Park what is queued in the scope of a switch, and take back what runs: all of it where the switch says so,
        else what was claimed after it was set.

        Returns how many tasks were parked and how many were taken back.
        """
        parked = stopped = 0
        while rows := await self._call("enforce_kill_switch", switch_id=switch_id):
            if not (rows[0]["parked"] or rows[0]["stopped"]):
                break
            parked += rows[0]["parked"]
            stopped += rows[0]["stopped"]
        return parked, stopped

    async def release_kill_switch(self, switch_id: UUID) -> KillSwitch:
        """End a switch; `resume_work` gives back what it had parked.

        Raises NotFound, Forbidden (it is of the whole fleet), Conflict (it is released already).
        """
        return KillSwitch.model_validate((await self._call("release_kill_switch", switch_id=switch_id))[0])

    async def resume_work(self) -> int:
        """Give back to the queue what no switch stops any more. Returns how many tasks."""
        resumed = 0
        while batch := int((await self._call("resume_work"))[0]["resumed"]):
            resumed += batch
        return resumed

    async def drill_kill_switch(self, scope: str, key: str, reason: str) -> Stoppable:
        """What a switch would stop now; only an event is written. Raises as set_kill_switch does, but no Conflict."""
        rows = await self._call("drill_kill_switch", scope=scope, key=key, reason=reason)
        return Stoppable.model_validate(rows[0])

    async def find_kill_switches(
        self, is_set: bool | None = None, before: UUID | None = None, limit: int = 50
    ) -> list[KillSwitch]:
        """The tenant's switches and those of the whole fleet, newest first, at most 500. `is_set` None: all."""
        query: dict[str, Any] = {"set": is_set, "before": before, "limit": limit}
        return [KillSwitch.model_validate(row) for row in await self._call("find_kill_switches", **query)]
