"""/messages and /signals: let processes have events from outside."""

from fastapi import Request, Response

from execution_api.access.auth import CallersKernel, KnownCaller
from execution_api.bodies.rows import MessageRequest, SignalRequest
from execution_api.requests.idempotency import REPLAYED, IdempotencyKey, fingerprint, mark_replayed
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.services import services_of
from kernel.models import MessageSent, SignalSent

router = room("Messages")


@router.post(
    "/messages", status_code=202, responses={202: {"headers": REPLAYED}, **errors(413)}, summary="Send a message"
)
async def send_message(
    body: MessageRequest,
    request: Request,
    response: Response,
    kernel: CallersKernel,
    caller: KnownCaller,
    idempotency_key: IdempotencyKey = None,
) -> MessageSent:
    """Send a message to one receiver: the oldest wait of an instance for this name and correlation key; else a process
    definition that the message starts. Where there is neither, the message is kept for `ttl_seconds`.
    """
    sent = await kernel.publish_message(
        body.name,
        body.correlation_key,
        body.variables,
        body.ttl_seconds,
        caller.person or caller.actor,
        idempotency_key,
        fingerprint("message", body) if idempotency_key else None,
    )
    services_of(request.scope).upkeep.hurry()
    mark_replayed(response, sent.replayed)
    return sent


@router.post(
    "/signals", status_code=202, responses={202: {"headers": REPLAYED}, **errors(413)}, summary="Send a signal"
)
async def send_signal(
    body: SignalRequest,
    request: Request,
    response: Response,
    kernel: CallersKernel,
    caller: KnownCaller,
    idempotency_key: IdempotencyKey = None,
) -> SignalSent:
    """Send a signal to everything in the tenant that waits for this name now, and start the definitions it starts."""
    sent = await kernel.publish_signal(
        body.name,
        body.variables,
        caller.person or caller.actor,
        idempotency_key,
        fingerprint("signal", body) if idempotency_key else None,
    )
    services_of(request.scope).upkeep.hurry()
    mark_replayed(response, sent.replayed)
    return sent
