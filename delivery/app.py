"""Health, readiness and metrics of a deliverer, for kubelet and Prometheus."""

import asyncio
import logging
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from delivery.deliverer import Deliverer
from delivery.metrics import CONTENT_TYPE, DeliveryMetrics
from kernel.errors import DatabaseUnavailable
from kernel.functions import Kernel
from kernel.notification_models import OutboxDepth

_SILENT_SECONDS = 120
_SECONDS_TO_ANSWER = 3
_log = logging.getLogger(__name__)


def delivery_app(deliverer: Deliverer, kernel: Kernel, metrics: DeliveryMetrics) -> Starlette:
    """GET /healthz: 503 after two minutes without an answer from the database. GET /readyz: 503 where the database does
    not answer now. GET /metrics.
    """

    async def healthz(_: Request) -> Response:
        silent = time.monotonic() - deliverer.last_round_trip
        alive = silent < _SILENT_SECONDS
        return JSONResponse(
            {"status": "ok" if alive else "stuck", "silent_seconds": round(silent, 1)}, 200 if alive else 503
        )

    async def readyz(_: Request) -> Response:
        ready = await _depths(kernel) is not None
        return JSONResponse({"status": "ready" if ready else "no database"}, 200 if ready else 503)

    async def scrape(_: Request) -> Response:
        return Response(metrics.render(await _depths(kernel)), media_type=CONTENT_TYPE)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scrape)])


async def _depths(kernel: Kernel) -> list[OutboxDepth] | None:
    try:
        async with asyncio.timeout(_SECONDS_TO_ANSWER):
            return await kernel.outbox_depths()
    except (TimeoutError, DatabaseUnavailable) as error:
        _log.warning("no gauges of the outbox: the database did not answer: %r", error)
        return None
