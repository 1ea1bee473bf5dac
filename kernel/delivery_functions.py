"""The functions of init.sql that a deliverer calls, one method each."""

from kernel.base import KernelBase
from kernel.notification_models import ClaimedDelivery, DeliveryOutcome, OutboxChannel, OutboxDepth


class DeliveryFunctions(KernelBase):
    """Claiming what is in the outbox, and ending it. A stale fencing token is refused with LeaseLost."""

    async def claim_deliveries(
        self, channels: list[OutboxChannel], limit: int, per_tenant: int, lease_seconds: int
    ) -> list[ClaimedDelivery]:
        """Claim at most `limit` of what is due on `channels`; of a tenant at most `per_tenant` a channel at a time."""
        rows = await self._call(
            "claim_deliveries", channels=channels, limit=limit, per_tenant=per_tenant, lease_seconds=lease_seconds
        )
        return [ClaimedDelivery.model_validate(row) for row in rows]

    async def finish_delivery(
        self,
        delivery: ClaimedDelivery,
        outcome: DeliveryOutcome,
        error: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> str:
        """End an attempt. Returns the status that it led to: DELIVERED, PENDING (again later) or DEAD."""
        rows = await self._call(
            "finish_delivery",
            tenant_id=delivery.tenant_id,
            outbox_id=delivery.outbox_id,
            fencing_token=delivery.fencing_token,
            outcome=outcome,
            error=error,
            retry_after_seconds=retry_after_seconds,
        )
        return str(rows[0]["status"])

    async def tend_outbox(self) -> tuple[int, int]:
        """Upkeep, about once a minute. Returns how many deliveries became DEAD, and how many old rows were deleted."""
        row = (await self._call("tend_outbox"))[0]
        return int(row["buried"]), int(row["deleted"])

    async def remind_people(self) -> int:
        """Tell people of tasks that are due soon or overdue, about once a minute. Returns of how many."""
        return int((await self._call("remind_people"))[0]["reminded"])

    async def outbox_depths(self) -> list[OutboxDepth]:
        """Gauges of each channel over all tenants."""
        return [OutboxDepth.model_validate(row) for row in await self._call("outbox_depths")]
