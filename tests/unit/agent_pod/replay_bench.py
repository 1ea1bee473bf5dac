"""A pod's two endpoints in one process, whose runs can be cut off anywhere and begun again by another claim."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

import httpx2
import mcp_types
import openai
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_pod.calls.journal import Journal
from agent_pod.calls.limiter import Limiter
from agent_pod.calls.prices import Prices
from agent_pod.calls.suspension import Suspension
from agent_pod.metrics import PodMetrics
from agent_pod.model_door.gateway import ModelGateway, open_upstream
from agent_pod.model_door.upstream_retry import Patience
from agent_pod.run.current_task import Desk, Work
from agent_pod.servers import LoopServer
from agent_pod.tool_door.document_tools import DocumentTools
from agent_pod.tool_door.gateway import OnlyTheTaskAtHand, ToolGateway
from agent_pod.tool_door.tool_servers.client import ServerClient
from agent_pod.tool_door.tool_servers.servers import TenantServers
from agent_pod.tool_door.tools import Tool
from agent_pod.tool_door.waiting_tools import waiting_tools
from kernel.functions import Kernel
from kernel.journal_models import Call
from kernel.models import ClaimedTask, Limits
from knowledge.embed import Embedder
from offline_model.app import create_app

MODEL = "text-embedding-3-small"
LOOPBACK = IPv4Network("127.0.0.0/8")


class CountingUpstream:
    """The offline model, counting what it is asked. It answers nothing as long as `hold` is set."""

    hold = False

    def __init__(self) -> None:
        self._app: ASGIApp = create_app()
        self.asked: Counter[bytes] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.hold:
            await asyncio.Event().wait()
        message = await receive()
        while message.get("more_body"):
            more = await receive()
            message = {**more, "body": message["body"] + more["body"]}
        self.asked[scope["path"].encode() + message.get("body", b"")] += 1

        messages = iter([message])

        async def whole_body_first() -> Any:
            return next(messages, None) or await receive()

        await self._app(scope, whole_body_first, send)


@dataclass
class Run:
    """One run of the task: its endpoints as an orchestrator sees them."""

    url: str
    work: Work

    @property
    def task(self) -> ClaimedTask:
        return self.work.task

    def model(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.work.token, max_retries=0)

    async def tool(self, name: str, **arguments: Any) -> str:
        """Text of the tool's result, or of its error."""
        return (await self.result(name, **arguments)).content[0].text  # type: ignore[union-attr]

    async def result(self, name: str, **arguments: Any) -> CallToolResult:
        """The tool's result."""
        async with self._client() as client:
            return await client.call_tool(name, arguments)

    async def tools(self) -> list[mcp_types.Tool]:
        """The tools that are offered."""
        async with self._client() as client:
            return (await client.list_tools()).tools

    @contextlib.asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {self.work.token}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(f"{self.url}/mcp", http_client=http)) as client,
        ):
            yield client


@dataclass
class Bench:
    """Runs of one task. `again` begins the next, as another pod does after the lease of the last one ran out."""

    start_pod: Any
    set_clock: Callable[[float], Any]
    kernel: Kernel
    api: Kernel
    upstream: CountingUpstream
    upstream_url: str
    tools: list[Tool] = field(default_factory=list)
    metrics: PodMetrics = field(default_factory=PodMetrics)
    inline_seconds: float = 0.0
    servers: TenantServers | None = None
    prices: Prices = field(default_factory=lambda: Prices({}))
    most: Limits = field(default_factory=Limits)
    warn_at: float = 0.8
    grace_seconds: float = 3600.0
    is_held: Callable[[], bool] = lambda: True
    stopped: list[str] = field(default_factory=list)
    runs: int = 0

    @contextlib.asynccontextmanager
    async def again(self, seconds: float = 3600) -> AsyncIterator[Run]:
        self.set_clock(self.runs * seconds)
        self.runs += 1
        pod = await self.start_pod(name=f"pod-{self.runs}")
        task = await pod.next()
        if task is None:  # it has lost several pods in a row: another one gets it after a pause
            self.set_clock((self.runs - 1) * 3600 + 1000)
            task = await pod.claim()
        async with self.serve(task) as run:
            yield run

    @contextlib.asynccontextmanager
    async def serve(self, task: ClaimedTask) -> AsyncIterator[Run]:
        """The endpoints with `task` on the desk."""
        limiter = Limiter(self.kernel, self.prices, self.metrics, self.most, self.warn_at, self.grace_seconds)
        desk, journal = Desk(limiter.begin), Journal(self.kernel, self.prices, self.metrics, limiter)
        embedder = Embedder(self.upstream_url, "offline", MODEL)
        tools = ToolGateway(
            desk,
            [*DocumentTools(self.kernel, embedder, MODEL).all(), *waiting_tools(), *self.tools],
            journal,
            Suspension(self.kernel, self.inline_seconds),
            self.servers or TenantServers(self.kernel, ServerClient([LOOPBACK]), 60),
        )
        async with (
            open_upstream(self.upstream_url, "sk-real") as upstream,
            tools.app.router.lifespan_context(tools.app),
            LoopServer(
                Starlette(
                    routes=[
                        *ModelGateway(desk, upstream, journal, Patience(0, self.metrics)).routes,
                        Mount("/", OnlyTheTaskAtHand(tools.app, desk)),
                    ]
                ),
                "127.0.0.1",
                0,
            ) as server,
        ):

            def stop(why: str) -> None:
                self.stopped.append(why)
                desk.clear()

            work = desk.open(task, stop, self.is_held)
            work.aliases.add_address("127.0.0.1", int(server.url.rpartition(":")[2]), "pod")
            try:
                yield Run(server.url, work)
            finally:
                desk.clear()  # or its timers use the database after the test has closed it
        await embedder.aclose()

    async def calls(self) -> list[Call]:
        return await self.api.find_calls(limit=1000)

    async def events(self, kind: str) -> list[Any]:
        return [event for event in await self.api.find_events() if event.event_type == kind]


Agent = Callable[[Run, "Boundary"], Awaitable[list[Any]]]


class Killed(Exception):
    """The pod died here."""


class Boundary:
    """Counts the calls of a run, and ends it after call number `last`."""

    def __init__(self, last: int | None = None):
        self._last = last
        self.passed = 0
        self.answers: list[Any] = []

    def passes(self, answer: Any) -> Any:
        """A call was answered."""
        self.answers.append(answer)
        self.passed += 1
        if self.passed == self._last:
            raise Killed
        return answer
