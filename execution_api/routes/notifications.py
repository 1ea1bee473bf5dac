"""/notifications: what people are told, and how they want to be told."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request
from starlette.responses import StreamingResponse

from execution_api.access.addressee import choose_addressee, require_addressee
from execution_api.access.auth import CallersKernel, KnownCaller
from execution_api.bodies.notifications import (
    DeviceRequest,
    Marked,
    PreferencesRequest,
    ReadFlag,
    ReadThrough,
)
from execution_api.bodies.paging import Limit, page
from execution_api.bodies.rows import LARGEST_EVENT_ID, Items, Page
from execution_api.requests.problems import ApiProblem
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.services import services_of
from execution_api.streams.sse import STREAM_ANSWER, LastEventId, stream
from execution_api.streams.tail import Tail
from kernel.notification_models import Device, Notification, NotificationType, Preferences, QuietTime

router = room("Notifications")

_PERSON = Query(
    max_length=320,
    description="an e-mail address or group:NAME; a user token reaches its own user and groups, and needs none",
)
Whose = Annotated[str | None, _PERSON]
Whom = Annotated[
    str | None,
    Query(max_length=320, description="an e-mail address, group:NAME, or * for whoever of the tenant chose nothing"),
]
NumberedBefore = Annotated[
    int | None, Query(ge=1, le=LARGEST_EVENT_ID, description="id of the last item of the page before")
]
NotifyId = Annotated[int, Path(ge=1, le=LARGEST_EVENT_ID)]


@router.get("/notifications", summary="List notifications", responses=errors())
async def list_notifications(
    caller: KnownCaller,
    kernel: CallersKernel,
    person: Whose = None,
    unread: Annotated[bool, Query(description="only those that were not read")] = False,
    type: Annotated[NotificationType | None, Query(description="only those of one type")] = None,  # noqa: A002
    instance: Annotated[UUID | None, Query(description="id of a process instance")] = None,
    before: NumberedBefore = None,
    limit: Limit = 50,
) -> Page[Notification]:
    """Notifications, newest first: of the token's user, or with an API key of everybody."""
    whose = choose_addressee(caller, person)
    items = await kernel.find_notifications(whose, unread, type, instance, before, limit)
    filters = {"person": person, "unread": "true" if unread else None, "type": type, "instance": instance}
    return page("/notifications", items, limit, "notify_id", **filters)


@router.get(
    "/notifications/stream",
    summary="Follow notifications",
    response_class=StreamingResponse,
    responses={**STREAM_ANSWER, **errors(503)},
)
async def stream_notifications(
    request: Request,
    caller: KnownCaller,
    kernel: CallersKernel,
    person: Whose = None,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Notifications as they are written, as server-sent events; `event` is the type. It begins with the next one, or
    after Last-Event-ID. A notification may come twice after a break: `notify_id` tells."""
    whose, services = choose_addressee(caller, person), services_of(request.scope)

    async def read(after: int, limit: int) -> list[Notification]:
        return await kernel.follow_notifications(after, whose, limit)

    if last_event_id is None:
        newest = await kernel.find_notifications(whose, limit=1)
        last_event_id = newest[0].notify_id if newest else 0
    tail = Tail(read, lambda row: row.notify_id, last_event_id)
    return stream(tail, lambda row: row.type, services.notifications_ear, services.streams, services.stopping)


@router.put("/notifications/{notify_id}/read-flag", summary="Mark a notification", responses=errors(404, 413))
async def mark_notification(
    notify_id: NotifyId, body: ReadFlag, caller: KnownCaller, kernel: CallersKernel
) -> Notification:
    """Mark a notification as read or unread. That of a group is marked for the whole group."""
    return await kernel.mark_notification(notify_id, caller.person, body.read_flag)


@router.post("/notifications/read", summary="Mark all notifications as read", responses=errors(413))
async def mark_notifications(body: ReadThrough, caller: KnownCaller, kernel: CallersKernel) -> Marked:
    """Mark all notifications of a person as read, up to the newest that they have seen."""
    whose = require_addressee(caller, body.person)
    return Marked(marked=await kernel.mark_notifications(whose, body.through))


@router.get("/notification-preferences", summary="How somebody is told", responses=errors())
async def get_preferences(caller: KnownCaller, kernel: CallersKernel, person: Whom = None) -> Preferences:
    """What holds for the person: their own choice, else the tenant's, else the default, which is push."""
    return await kernel.get_preferences(require_addressee(caller, person))


@router.put("/notification-preferences", summary="Choose how somebody is told", responses=errors(413))
async def save_preferences(
    body: PreferencesRequest, caller: KnownCaller, kernel: CallersKernel, person: Whom = None
) -> Preferences:
    """Replace what the person has chosen. What is in the outbox already goes the way it was to go."""
    whose = require_addressee(caller, person)
    if caller.person is not None and body.email is not None and body.email.casefold() != whose.casefold():
        remedy = "Leave it out, or use an API key."
        detail = "A user token cannot have mails sent to another address than its user's."
        raise ApiProblem(403, "email_foreign", detail, field="email", value=body.email, remedy=remedy)
    quiet = body.quiet and QuietTime.model_validate(body.quiet.model_dump())
    channels = {kind: sorted(set(ways)) for kind, ways in body.channels.items()}
    return await kernel.save_preferences(whose, channels, quiet, body.email)


@router.post("/device-tokens", status_code=201, summary="Register a device", responses=errors(413))
async def register_device(body: DeviceRequest, caller: KnownCaller, kernel: CallersKernel) -> Device:
    """Register a device for pushes; register it again whenever Firebase gives it a new token, and at each login."""
    return await kernel.save_device(require_addressee(caller, body.person), body.token, body.platform)


@router.get("/device-tokens", summary="List devices", responses=errors())
async def list_devices(caller: KnownCaller, kernel: CallersKernel, person: Whose = None) -> Items[Device]:
    """The devices of a person, newest first. A person has at most 20."""
    return Items(items=await kernel.find_devices(require_addressee(caller, person)))


@router.delete("/device-tokens/{device_id}", summary="Forget a device", responses=errors(404))
async def delete_device(device_id: UUID, caller: KnownCaller, kernel: CallersKernel) -> Device:
    """Send no more pushes to a device, as at a logout. The answer is what it was."""
    return await kernel.delete_device(device_id, caller.person)
