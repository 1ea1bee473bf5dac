"""The application: the rooms, what stands before them, and what lives as long as they do.

A request passes, from the outside in: observation (log and metrics), problem answers, intake (sizes), the gate
(credentials), then its route.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Lifespan

from execution_api.access.auth import Gate
from execution_api.access.rate_limit import RateLimit
from execution_api.access.token_check import TokenCheck
from execution_api.examples.documentation import DESCRIPTION, TAGS, describe
from execution_api.requests.intake import Intake
from execution_api.requests.logs import Observation
from execution_api.requests.metrics import HttpMetrics
from execution_api.requests.problems import ProblemAnswers, answer_with_problem
from execution_api.routes import (
    agents,
    api_keys,
    completion,
    control,
    decisions,
    definitions,
    documents,
    events,
    inbox,
    incidents,
    instances,
    limits,
    mcp_servers,
    messages,
    notifications,
    operations,
    questions,
    repairs,
    tasks,
    webhooks,
)
from execution_api.services import Services
from execution_api.settings import ApiSettings
from execution_api.streams.ear import Ear
from execution_api.streams.event_hub import EventHub
from execution_api.streams.sse import Streams
from kernel.connect import open_connection, open_pool
from kernel.follow_functions import CHANNEL
from kernel.functions import Kernel
from knowledge.embed import Embedder
from process_engine.committing.upkeep import Upkeep

_LOOK_FOR_EVENTS_SECONDS = 0.5
_ROOMS = (
    completion,
    control,
    definitions,
    decisions,
    instances,
    limits,
    incidents,
    repairs,
    tasks,
    inbox,
    questions,
    messages,
    events,
    documents,
    agents,
    mcp_servers,
    notifications,
    webhooks,
    api_keys,
    operations,
)
_ROUTES = [route for room in _ROOMS for route in room.router.routes]


def create_app(settings: ApiSettings) -> FastAPI:
    """The execution API with `settings`. Database and model are first asked when requests need them."""
    metrics = HttpMetrics()
    app = FastAPI(
        title="ProcessFleet execution API",
        version="0.1.0",
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=_lifespan(settings, metrics),
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        routes=_ROUTES,
        exception_handlers={
            HTTPException: answer_with_problem,
            RequestValidationError: answer_with_problem,
            405: _answer_wrong_method,
        },
    )
    # the last one added is the outermost
    app.add_middleware(Gate)
    app.add_middleware(Intake, max_body_bytes=settings.max_body_bytes)
    app.add_middleware(ProblemAnswers)
    app.add_middleware(Observation, metrics=metrics)
    describe(app)
    return app


async def _answer_wrong_method(request: Request, error: Exception) -> Response:
    # FastAPI names the methods of the first route of this address; RFC 9110 asks for those of all.
    here = [route for route in _ROUTES if route.matches(request.scope)[0] is not Match.NONE]
    methods = sorted({method for route in here if isinstance(route, Route) for method in route.methods or ()})
    return await answer_with_problem(request, HTTPException(405, headers={"Allow": ", ".join(methods)}))


def _lifespan(settings: ApiSettings, metrics: HttpMetrics) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        embedder = Embedder(
            settings.openai_base_url, settings.openai_api_key.get_secret_value(), settings.fleet_embedding_model
        )
        tokens = TokenCheck(settings)
        ear = Ear(lambda: open_connection(settings, "fleet_api"), "fleet_notifications")
        events_ear = Ear(lambda: open_connection(settings, "fleet_api"), CHANNEL)
        streams = Streams(settings.fleet_api_streams)
        stopping = asyncio.Event()
        try:
            async with open_pool(settings, "fleet_api", settings.database_pool_size) as pool:
                kernel = Kernel(pool)
                upkeep = Upkeep(kernel, _LOOK_FOR_EVENTS_SECONDS)
                events = EventHub(kernel, events_ear, stopping)
                app.state.services = Services(
                    settings,
                    kernel,
                    embedder,
                    metrics,
                    tokens,
                    upkeep,
                    ear,
                    streams,
                    events,
                    stopping,
                    RateLimit(settings.fleet_api_rate, settings.fleet_api_burst),
                )
                async with upkeep.running():
                    yield
                await events.close()
        finally:
            await events_ear.close()
            await ear.close()
            await tokens.close()
            await embedder.aclose()

    return lifespan
