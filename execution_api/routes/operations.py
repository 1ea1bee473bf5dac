"""/healthz, /readyz and /metrics: for those who run the API. Open to everybody who can reach it."""

import asyncio
import logging

from fastapi import Request, Response

from execution_api.bodies.rows import Health
from execution_api.requests.metrics import CONTENT_TYPE
from execution_api.routes.error_answers import errors
from execution_api.routes.room import room
from execution_api.services import services_of
from kernel.errors import DatabaseUnavailable
from kernel.models import QueueDepth

router = room("Operations", is_open=True)

_SECONDS_TO_ANSWER = 3  # below the time-outs of Kubernetes' probes and Prometheus' scrapes
_log = logging.getLogger("execution_api")
_METRICS_ANSWER = {
    200: {
        "description": "Metrics in Prometheus' text format.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    },
    **errors(everywhere=(422, 500)),
}


@router.get("/healthz", summary="Does the program live", responses=errors(everywhere=(422, 500)))
async def healthz() -> Health:
    """Answers as long as the program can answer; the database is not asked."""
    return Health(status="ok")


@router.get("/readyz", summary="Can the program work", responses=errors(503, everywhere=(422, 500)))
async def readyz(request: Request) -> Health:
    """Answers 200 where the database does, 503 otherwise."""
    try:
        async with asyncio.timeout(_SECONDS_TO_ANSWER):
            await services_of(request.scope).kernel.find_orchestrators()
    except TimeoutError:
        raise DatabaseUnavailable(f"no answer within {_SECONDS_TO_ANSWER} s") from None
    return Health(status="ready")


@router.get("/metrics", summary="Metrics", response_class=Response, responses=_METRICS_ANSWER)
async def metrics(request: Request) -> Response:
    """The queues as they are now, over all tenants, and the requests that this process has answered."""
    depths = await _queue_depths(request)
    return Response(services_of(request.scope).metrics.render(depths), media_type=CONTENT_TYPE)


async def _queue_depths(request: Request) -> list[QueueDepth] | None:
    try:
        async with asyncio.timeout(_SECONDS_TO_ANSWER):
            return await services_of(request.scope).kernel.queue_depths()
    except (TimeoutError, DatabaseUnavailable) as error:
        _log.warning("no queue gauges: the database did not answer: %r", error)
        return None
