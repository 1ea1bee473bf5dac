"""The endpoints of a pod over a real database, with the offline model or a scripted server upstream."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from replay_bench import Bench, CountingUpstream
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from agent_pod.calls.journal import Journal
from agent_pod.calls.prices import Prices
from agent_pod.metrics import PodMetrics
from agent_pod.model_door.gateway import ModelGateway, open_upstream
from agent_pod.model_door.upstream_retry import Patience
from agent_pod.run.current_task import Desk
from agent_pod.servers import LoopServer
from agent_pod.settings import PodSettings
from kernel.functions import Kernel
from kernel.journal_models import Call
from kernel.models import ClaimedTask
from offline_model.app import create_app

REAL_KEY = "sk-the-real-key"


class Upstream:
    """A model endpoint that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.answer: Response | None = None
        self.stream: list[bytes] = []

    async def handle(self, request: Request) -> Response:
        self.asked.append((request.url.path, dict(request.headers), await request.json()))
        if self.answer is not None:
            return self.answer
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[bytes]:
        for event in self.stream:
            yield event


@dataclass
class Endpoint:
    """A model gateway at work on `task`; `url` and `token` are what its orchestrator is given."""

    url: str
    token: str
    task: ClaimedTask
    desk: Desk
    metrics: PodMetrics
    calls: Callable[[], Awaitable[list[Call]]]


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def open_endpoint(
    start_pod: Any, enqueue: Any, kernel_api: Kernel, kernel_pod: Kernel
) -> AsyncIterator[Callable[[str], Awaitable[Endpoint]]]:
    """Opens a model gateway in front of the endpoint at a URL, with a claimed task on its desk."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_it(upstream_url: str, patience_seconds: float = 0) -> Endpoint:
            pod = await start_pod()
            [task_id] = await enqueue(max_attempts=100)
            task = await pod.claim()
            desk, metrics = Desk(), PodMetrics()
            prices = Prices.read(Path(PodSettings.model_fields["fleet_model_prices"].default))
            client = await stack.enter_async_context(open_upstream(upstream_url, REAL_KEY))
            journal, patience = Journal(kernel_pod, prices, metrics), Patience(patience_seconds, metrics)
            gateway = ModelGateway(desk, client, journal, patience)
            server = await stack.enter_async_context(LoopServer(Starlette(routes=gateway.routes), "127.0.0.1", 0))
            token = desk.open(task).token
            return Endpoint(
                f"{server.url}/v1", token, task, desk, metrics, lambda: kernel_api.find_calls(task_id=task_id)
            )

        yield open_it


@pytest.fixture
async def offline_url() -> AsyncIterator[str]:
    """The offline model, served in this loop."""
    async with LoopServer(create_app(), "127.0.0.1", 0) as server:
        yield f"{server.url}/v1"


@pytest.fixture
async def scripted_url(upstream: Upstream) -> AsyncIterator[str]:
    """The scripted model endpoint, served in this loop."""
    app = Starlette(routes=[Route("/v1/{path:path}", upstream.handle, methods=["POST"])])
    async with LoopServer(app, "127.0.0.1", 0) as server:
        yield f"{server.url}/v1"


@pytest.fixture
async def bench(start_pod: Any, set_clock: Any, kernel_api: Kernel, kernel_pod: Kernel) -> AsyncIterator[Bench]:
    """A bench over the offline model, without a task."""
    await start_pod()
    upstream = CountingUpstream()
    async with LoopServer(upstream, "127.0.0.1", 0) as server:
        yield Bench(start_pod, set_clock, kernel_pod, kernel_api, upstream, f"{server.url}/v1")
