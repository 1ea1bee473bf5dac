"""The functions of init.sql with which a program works off events, one method each: every API and every pod does it."""

from uuid import UUID

from kernel.base import KernelBase
from kernel.models import Arrival, Json


class EventFunctions(KernelBase):
    """Taking events of all tenants, and settling each within its tenant."""

    async def take_arrivals(self, limit: int, claim_seconds: int) -> list[Arrival]:
        """Claim at most `limit` events to work off; those not settled in `claim_seconds` are taken again."""
        rows = await self._call("take_arrivals", limit=limit, claim_seconds=claim_seconds)
        return [Arrival.model_validate(row) for row in rows]

    async def settle_arrival(self, arrival_id: UUID, step: Json | None, incident: Json | None = None) -> str:
        """End an event with the `step` it makes (kernel.apply_step in init.sql) or an `incident` {revision, reason}.

        Without either the wait must be over. Returns applied, failed, void or gone (somebody else settled it). Raises
        InstanceChanged.
        """
        rows = await self._call("settle_arrival", arrival_id=arrival_id, step=step, incident=incident)
        return str(rows[0]["state"])
