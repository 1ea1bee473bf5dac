"""The functions of init.sql by which operators repair process instances, one method each.

Every change is an event with who and why. All raise NotFound, Conflict where the state does not allow it, and
InstanceChanged where what was computed is of an older revision.
"""

from datetime import datetime
from uuid import UUID

from kernel.base import KernelBase
from kernel.models import Json, Started
from kernel.repair_models import Incident, IncidentKind, InstanceStep, MovedToken, PaidAgain, RetriedIncident


class RepairFunctions(KernelBase):
    """Finding incidents and taking them up; moving tokens, and forking instances from what they were."""

    async def find_incidents(
        self,
        *,
        incident_id: UUID | None = None,
        kind: IncidentKind | None = None,
        definition_id: str | None = None,
        activity_id: str | None = None,
        queue: str | None = None,
        instance_id: UUID | None = None,
        before: UUID | None = None,
        limit: int = 50,
        version: int | None = None,
        initiator: str | None = None,
        started_from: datetime | None = None,
        started_before: datetime | None = None,
    ) -> list[Incident]:
        """Incidents, newest first, at most 500; `version` and what follows are of their instances."""
        rows = await self._call(
            "find_incidents",
            incident_id=incident_id,
            kind=kind,
            process_definition_id=definition_id,
            activity_id=activity_id,
            queue=queue,
            proc_inst_id=instance_id,
            before=before,
            limit=limit,
            version=version,
            initiator=initiator,
            started_from=started_from,
            started_before=started_before,
        )
        return [Incident.model_validate(row) for row in rows]

    async def retry_incident(
        self, incident_id: UUID, reason: str | None = None, from_scratch: bool = False, change: Json | None = None
    ) -> RetriedIncident:
        """Take an incident up: as it is, `from_scratch`, or with a `change` (see retry_incident in init.sql).

        Raises InvalidInput where a reason is needed and missing, or there is no journal to set aside.
        """
        rows = await self._call(
            "retry_incident", incident_id=incident_id, reason=reason, from_scratch=from_scratch, change=change
        )
        return RetriedIncident.model_validate(rows[0])

    async def cost_to_repeat(self, tasks: list[UUID]) -> PaidAgain:
        """What retries of `tasks` from scratch would pay again."""
        rows = await self._call("cost_to_repeat", tasks=[str(task) for task in tasks])
        return PaidAgain.model_validate(rows[0])

    async def discard_incident(self, incident_id: UUID, reason: str) -> None:
        """Give up an event that a process could not take."""
        await self._call("discard_incident", incident_id=incident_id, reason=reason)

    async def find_steps(self, instance_id: UUID, whole: bool = False) -> list[InstanceStep]:
        """All steps of an instance in their order; `whole`: with what they were computed from."""
        rows = await self._call("find_steps", proc_inst_id=instance_id, whole=whole)
        return [InstanceStep.model_validate(row) for row in rows]

    async def move_token(self, instance_id: UUID, step: Json, reason: str, moved: Json) -> MovedToken:
        """Commit the `step` of a move (kernel.apply_step in init.sql); `moved`: {token, from, to, variables}."""
        rows = await self._call("move_token", proc_inst_id=instance_id, step=step, reason=reason, moved=moved)
        return MovedToken.model_validate(rows[0])

    async def fork_instance(
        self,
        instance_id: UUID,
        step_number: int,
        version: int,
        step: Json,
        reason: str,
        idempotency_key: str | None = None,
        fingerprint: str | None = None,
    ) -> Started:
        """Start another instance where one stood before its step `step_number`; `step` opens what is open there."""
        rows = await self._call(
            "fork_instance",
            proc_inst_id=instance_id,
            step_number=step_number,
            version=version,
            step=step,
            reason=reason,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
        )
        return Started.model_validate(rows[0])
