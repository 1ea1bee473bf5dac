"""/webhooks and /deliveries: where a tenant's notifications go besides people, and what became of them."""

import base64
import secrets
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Response

from execution_api.access.auth import CallersKernel
from execution_api.bodies.notifications import (
    DEFAULT_SECRET_GRACE_SECONDS,
    NewWebhook,
    SecretRotation,
    WebhookChange,
    WebhookRequest,
)
from execution_api.bodies.paging import Limit, page
from execution_api.bodies.rows import LARGEST_EVENT_ID, Items, Page
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from kernel.errors import NotFound
from kernel.notification_models import Delivery, DeliveryStatus, WebhookEndpoint

router = room("Notifications")

_SECRET_BYTES = 32  # Standard Webhooks: 24 to 64


@router.get("/webhooks", summary="List webhook endpoints", responses=errors())
async def list_webhooks(kernel: CallersKernel) -> Items[WebhookEndpoint]:
    """All endpoints of the tenant, oldest first; there are at most 20. Secrets are not shown."""
    return Items(items=await kernel.find_webhooks())


@router.post("/webhooks", status_code=201, summary="Add a webhook endpoint", responses=errors(409, 413))
async def create_webhook(body: WebhookRequest, response: Response, kernel: CallersKernel) -> NewWebhook:
    """Add an endpoint. The answer is the only place where its secret can be read."""
    secret = _new_secret()
    endpoint = await kernel.create_webhook(body.url, body.description, body.types, secret)
    response.headers["Cache-Control"] = "no-store"
    return NewWebhook(**endpoint.model_dump(), secret=secret)


@router.get("/webhooks/{endpoint_id}", summary="Look into a webhook endpoint", responses=errors(404))
async def get_webhook(endpoint_id: UUID, kernel: CallersKernel) -> WebhookEndpoint:
    """One endpoint, and why it is disabled where it is."""
    found = await kernel.find_webhooks(endpoint_id)
    if not found:
        raise NotFound(f"There is no webhook endpoint {endpoint_id}.", "webhook_unknown", "GET /webhooks lists them.")
    return found[0]


@router.put("/webhooks/{endpoint_id}", summary="Change a webhook endpoint", responses=errors(404, 413))
async def change_webhook(endpoint_id: UUID, body: WebhookChange, kernel: CallersKernel) -> WebhookEndpoint:
    """Replace what an endpoint is; its secret stays."""
    return await kernel.save_webhook(endpoint_id, body.url, body.description, body.types, body.enabled)


@router.post("/webhooks/{endpoint_id}/rotate-secret", summary="Rotate a webhook secret", responses=errors(404, 413))
async def rotate_webhook_secret(
    endpoint_id: UUID, response: Response, kernel: CallersKernel, body: SecretRotation | None = None
) -> NewWebhook:
    """Replace an endpoint's secret by a new one. For the time of grace messages are signed with both, so that the
    receiver can change over. The answer is the only place where the new one can be read."""
    secret = _new_secret()
    grace = DEFAULT_SECRET_GRACE_SECONDS if body is None else body.grace_seconds
    endpoint = await kernel.rotate_webhook_secret(endpoint_id, secret, grace)
    response.headers["Cache-Control"] = "no-store"
    return NewWebhook(**endpoint.model_dump(), secret=secret)


@router.delete("/webhooks/{endpoint_id}", summary="Delete a webhook endpoint", responses=errors(404))
async def delete_webhook(endpoint_id: UUID, kernel: CallersKernel) -> WebhookEndpoint:
    """Delete an endpoint; what is still on its way to it will end DEAD. The answer is what it was."""
    return await kernel.delete_webhook(endpoint_id)


@router.get("/deliveries", summary="List deliveries", responses=errors())
async def list_deliveries(
    kernel: CallersKernel,
    status: DeliveryStatus | None = None,
    before: Annotated[
        int | None, Query(ge=1, le=LARGEST_EVENT_ID, description="id of the last item of the page before")
    ] = None,
    limit: Limit = 50,
) -> Page[Delivery]:
    """What has left or is to leave the database, newest first, without what it says."""
    items = await kernel.find_deliveries(status, before, limit)
    return page("/deliveries", items, limit, "outbox_id", status=status)


@router.post("/deliveries/{outbox_id}/retry", summary="Send a DEAD delivery after all", responses=errors(404, 409))
async def retry_delivery(outbox_id: Annotated[int, Path(ge=1, le=LARGEST_EVENT_ID)], kernel: CallersKernel) -> Delivery:
    """Put a delivery that ended DEAD back, with all its attempts before it."""
    return await kernel.retry_delivery(outbox_id)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
