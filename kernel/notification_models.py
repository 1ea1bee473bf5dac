"""Rows about notifications and their delivery, as types."""

from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias
from uuid import UUID

from kernel.models import Json, Record


class NotificationType(StrEnum):
    """What people are told of."""

    TASK_ASSIGNED = "TASK_ASSIGNED"
    TASK_REASSIGNED = "TASK_REASSIGNED"
    TASK_DUE_SOON = "TASK_DUE_SOON"
    TASK_OVERDUE = "TASK_OVERDUE"
    PROCESS_DONE = "PROCESS_DONE"
    INCIDENT = "INCIDENT"


WebhookType: TypeAlias = NotificationType | Literal["MESSAGE"]
"""What an endpoint can be told: notifications, and messages that processes throw and nobody in the tenant takes."""


class OutboxChannel(StrEnum):
    """How something leaves the database: `webhook` is for notifications, `message` for what processes send."""

    EMAIL = "email"
    WEBHOOK = "webhook"
    FCM = "fcm"
    MESSAGE = "message"


class DeliveryStatus(StrEnum):
    """Status of what is in the outbox; the picture is in chapter 10 of init.sql."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


class DeliveryOutcome(StrEnum):
    """How an attempt ended; see finish_delivery of init.sql."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"
    GONE = "gone"
    RELEASED = "released"


class Notification(Record):
    """Something a person is told. `user_id`: an e-mail address, group:NAME or another id."""

    notify_id: int
    user_id: str
    proc_inst_id: UUID | None
    task_id: UUID | None
    type: NotificationType
    message: str
    read_flag: bool
    created_at: datetime


class QuietTime(Record):
    """Nothing is sent from `begin` to `end` (HH:MM, local to `time_zone`, an IANA name)."""

    begin: str
    end: str
    time_zone: str


class Preferences(Record):
    """What holds for a person: their own choice, else the tenant's, else the default.

    `updated_at` is None where it is the default.
    """

    user_id: str
    channels: dict[NotificationType, list[Literal["email", "fcm"]]]
    quiet: QuietTime | None
    email: str | None
    updated_at: datetime | None


class Device(Record):
    """An app on a person's device; its token is not shown."""

    device_id: UUID
    user_id: str
    platform: Literal["android", "ios", "web"]
    registered_at: datetime


class WebhookEndpoint(Record):
    """Where a tenant's notifications and messages go. `types`: see WebhookType; none means all notifications.

    Its secret is not shown. `old_secret_until`: how long messages are signed with the secret before the last rotation
    too.
    """

    endpoint_id: UUID
    url: str
    description: str
    types: list[WebhookType]
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    old_secret_until: datetime | None


class Delivery(Record):
    """What is or was in the outbox, without what it says. `destination`: see outbox of init.sql."""

    outbox_id: int
    channel: OutboxChannel
    destination: str
    proc_inst_id: UUID | None
    task_id: UUID | None
    status: DeliveryStatus
    attempts: int
    next_attempt_at: datetime
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


class ClaimedDelivery(Record):
    """What this deliverer is to send. `fencing_token` goes with its end.

    `target`: {url, secret} of a webhook endpoint, with old_secret for a time after a rotation; {token} of a device;
    None for mails and where it is gone.
    """

    tenant_id: str
    outbox_id: int
    channel: OutboxChannel
    destination: str
    payload: Json
    idempotency_key: str
    attempts: int
    fencing_token: int
    created_at: datetime
    target: dict[str, str] | None


class OutboxDepth(Record):
    """Gauges of one channel; counts stop at 1000."""

    channel: str
    due: int
    scheduled: int
    sending: int
    dead: int
    oldest_due_seconds: float
