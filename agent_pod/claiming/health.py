"""Health, readiness and metrics of a pod, for kubelet and Prometheus."""

import time

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from agent_pod.claiming.pod import Pod
from agent_pod.metrics import PodMetrics

_SILENT_SECONDS = 120


def health_app(pod: Pod, metrics: PodMetrics) -> Starlette:
    """GET /healthz: 503 when an idle pod has had no answer from the database for two minutes. GET /readyz: 503 while
    draining. GET /metrics.
    """

    async def healthz(_: Request) -> Response:
        silent = time.monotonic() - pod.last_round_trip
        alive = pod.busy or silent < _SILENT_SECONDS
        return JSONResponse(
            {"status": "ok" if alive else "stuck", "silent_seconds": round(silent, 1)}, 200 if alive else 503
        )

    async def readyz(_: Request) -> Response:
        return PlainTextResponse("ready" if pod.ready else "draining", 200 if pod.ready else 503)

    async def scrape(_: Request) -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", scrape)])
