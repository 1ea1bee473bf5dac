"""The functions of init.sql by which one process follows the events of many tenants."""

from kernel.base import KernelBase
from kernel.models import EventMarks, TenantEvent

CHANNEL = "fleet_events"
"""What the database tells when there are new events, at most once in 50 ms, while somebody wants them."""


class FollowFunctions(KernelBase):
    """See "Following events" in init.sql. These need no tenant: the program that calls them knows who may see what."""

    async def want_events(self, seconds: int) -> None:
        """Have the channel told of new events for so long."""
        await self._call("want_events", seconds=seconds)

    async def event_marks(self) -> EventMarks:
        """Up to where events may have been numbered, and who may still commit one of them."""
        return EventMarks.model_validate((await self._call("event_marks"))[0])

    async def events_between(self, tenants: list[str], after: int, upto: int, limit: int) -> list[TenantEvent]:
        """Events of `tenants` behind number `after` up to `upto`, oldest first."""
        rows = await self._call("events_between", tenants=tenants, after=after, upto=upto, limit=limit)
        return [TenantEvent.model_validate(row) for row in rows]
