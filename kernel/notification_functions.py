"""The functions of init.sql about notifications that the execution API calls, one method each.

The tenant is the one of the kernel's claims. Where `person` may be None it means anybody of the tenant.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar
from uuid import UUID

from kernel.base import KernelBase
from kernel.models import Record
from kernel.notification_models import (
    Delivery,
    DeliveryStatus,
    Device,
    Notification,
    NotificationType,
    Preferences,
    QuietTime,
    WebhookEndpoint,
    WebhookType,
)
from kernel.postgres import Row

_R = TypeVar("_R", bound=Record)


class NotificationFunctions(KernelBase):
    """Reading and marking notifications, and saying how and where they are sent."""

    async def find_notifications(
        self,
        person: str | None = None,
        unread: bool = False,
        kind: NotificationType | None = None,
        instance_id: UUID | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Notification]:
        """Notifications, newest first, at most 500. `unread`: only those that nobody has marked as read."""
        rows = await self._call(
            "find_notifications",
            user_id=person,
            unread=unread,
            type=kind,
            proc_inst_id=instance_id,
            before=before,
            limit=limit,
        )
        return _all(Notification, rows)

    async def follow_notifications(self, after: int, person: str | None = None, limit: int = 200) -> list[Notification]:
        """Notifications after the one with id `after`, oldest first, at most 1000."""
        return _all(Notification, await self._call("follow_notifications", after=after, user_id=person, limit=limit))

    async def mark_notification(self, notify_id: int, person: str | None, read_flag: bool) -> Notification:
        """Set the flag of one notification of `person` or of a group. Raises NotFound."""
        rows = await self._call("mark_notification", notify_id=notify_id, user_id=person, read_flag=read_flag)
        return Notification.model_validate(rows[0])

    async def mark_notifications(self, person: str, through: int) -> int:
        """Mark all of `person` up to id `through` as read. Returns how many were not."""
        return int((await self._call("mark_notifications", user_id=person, through=through))[0]["marked"])

    async def get_preferences(self, person: str) -> Preferences:
        """What holds for `person`."""
        return Preferences.model_validate((await self._call("get_preferences", user_id=person))[0])

    async def save_preferences(
        self,
        person: str,
        channels: Mapping[NotificationType, Sequence[str]],
        quiet: QuietTime | None,
        email: str | None,
    ) -> Preferences:
        """Replace what `person` has chosen; `email` None leaves the stored address. `person` '*': the tenant's choice.

        Raises InvalidInput for a time zone that is none.
        """
        stored = quiet and quiet.model_dump()
        rows = await self._call(
            "save_preferences",
            user_id=person,
            channels={k: list(v) for k, v in channels.items()},
            quiet=stored,
            email=email,
        )
        return Preferences.model_validate(rows[0])

    async def save_device(self, person: str, token: str, platform: str) -> Device:
        """Register a device of `person`, or take it over from whoever had it."""
        rows = await self._call("save_device", user_id=person, token=token, platform=platform)
        return Device.model_validate(rows[0])

    async def find_devices(self, person: str) -> list[Device]:
        """The devices of `person`, newest first."""
        return _all(Device, await self._call("find_devices", user_id=person))

    async def delete_device(self, device_id: UUID, person: str | None) -> Device:
        """Forget a device of `person`. Returns what it was. Raises NotFound."""
        rows = await self._call("delete_device", device_id=device_id, user_id=person)
        return Device.model_validate(rows[0])

    async def create_webhook(
        self, url: str, description: str, types: list[WebhookType], secret: str
    ) -> WebhookEndpoint:
        """Add an endpoint. Raises Conflict where the tenant has 20 already."""
        rows = await self._call("create_webhook", url=url, description=description, types=types, secret=secret)
        return WebhookEndpoint.model_validate(rows[0])

    async def save_webhook(
        self, endpoint_id: UUID, url: str, description: str, types: list[WebhookType], enabled: bool
    ) -> WebhookEndpoint:
        """Change an endpoint; its secret stays. Raises NotFound."""
        rows = await self._call(
            "save_webhook", endpoint_id=endpoint_id, url=url, description=description, types=types, enabled=enabled
        )
        return WebhookEndpoint.model_validate(rows[0])

    async def rotate_webhook_secret(self, endpoint_id: UUID, secret: str, grace_seconds: int) -> WebhookEndpoint:
        """Sign with `secret` from now on, and with the one before it too for `grace_seconds`. Raises NotFound."""
        rows = await self._call(
            "rotate_webhook_secret", endpoint_id=endpoint_id, secret=secret, grace_seconds=grace_seconds
        )
        return WebhookEndpoint.model_validate(rows[0])

    async def find_webhooks(self, endpoint_id: UUID | None = None) -> list[WebhookEndpoint]:
        """All endpoints of the tenant, or the one with this id."""
        return _all(WebhookEndpoint, await self._call("find_webhooks", endpoint_id=endpoint_id))

    async def delete_webhook(self, endpoint_id: UUID) -> WebhookEndpoint:
        """Delete an endpoint; what is in the outbox for it will end DEAD. Returns what it was. Raises NotFound."""
        rows = await self._call("delete_webhook", endpoint_id=endpoint_id)
        return WebhookEndpoint.model_validate(rows[0])

    async def find_deliveries(
        self, status: DeliveryStatus | None = None, before: int | None = None, limit: int = 50
    ) -> list[Delivery]:
        """What is in the outbox, newest first, at most 500."""
        return _all(Delivery, await self._call("find_deliveries", status=status, before=before, limit=limit))

    async def retry_delivery(self, outbox_id: int) -> Delivery:
        """Send a DEAD delivery after all, with all its attempts before it. Raises NotFound, Conflict."""
        return Delivery.model_validate((await self._call("retry_delivery", outbox_id=outbox_id))[0])


def _all(kind: type[_R], rows: list[Row]) -> list[_R]:
    return [kind.model_validate(row) for row in rows]
