"""The tool endpoint: a real MCP client works with it, each call is checked, fenced and in the journal."""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.applications import Starlette
from starlette.routing import Mount

from agent_pod.calls.journal import Journal
from agent_pod.calls.prices import Prices
from agent_pod.calls.suspension import Suspension
from agent_pod.metrics import PodMetrics
from agent_pod.run.current_task import Desk
from agent_pod.servers import LoopServer
from agent_pod.tool_door.document_tools import DocumentTools
from agent_pod.tool_door.gateway import OnlyTheTaskAtHand, ToolGateway
from agent_pod.tool_door.tool_servers.client import ServerClient
from agent_pod.tool_door.tool_servers.servers import TenantServers
from kernel.functions import Kernel
from kernel.models import Agent, ClaimedTask
from knowledge.embed import Embedder

MODEL = "text-embedding-3-small"
OpenTools = Callable[..., contextlib.AbstractAsyncContextManager["Tools"]]


class Tools:
    """The tool endpoint at work on `task`."""

    def __init__(self, url: str, token: str, task: ClaimedTask, desk: Desk, api: Kernel):
        self.url, self.token, self.task, self.desk, self.api = url, token, task, desk, api

    async def call(self, name: str, **arguments: Any) -> Any:
        """The tool's result, or the text of its error."""
        async with self.client() as client:
            result = await client.call_tool(name, arguments)
        return result.content[0].text if result.is_error else result.structured_content  # type: ignore[union-attr]

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(self.url, http_client=http)) as client,
        ):
            yield client

    async def journal(self) -> list[tuple[str, str]]:
        return [(call.name, call.outcome) for call in await self.api.find_calls(task_id=self.task.task_id)]


@pytest.fixture
def open_tools(start_pod: Any, enqueue: Any, kernel_api: Kernel, kernel_pod: Kernel, offline_url: str) -> OpenTools:
    """`async with open_tools() as tools`: the endpoint with a claimed task, whose agent may use `agent_tools`."""

    @contextlib.asynccontextmanager
    async def open_them(agent_tools: list[str] | None = None, tenant: str = "acme") -> AsyncIterator[Tools]:
        if agent_tools is not None:
            await kernel_api.save_agent(
                Agent(agent_id="a", name="A", role="", goal="", persona="", model=None, tools=agent_tools)
            )
        pod = await start_pod()
        await enqueue(tenant=tenant, agent_id=None if agent_tools is None else "a")
        task = await pod.claim()
        desk, embedder = Desk(), Embedder(offline_url, "offline", MODEL)
        journal = Journal(kernel_pod, Prices({}), PodMetrics())
        gateway = ToolGateway(
            desk,
            DocumentTools(kernel_pod, embedder, MODEL).all(),
            journal,
            Suspension(kernel_pod, 0),
            TenantServers(kernel_pod, ServerClient([]), 60),
        )
        app = Starlette(routes=[Mount("/", OnlyTheTaskAtHand(gateway.app, desk))])
        async with (
            gateway.app.router.lifespan_context(gateway.app),
            LoopServer(app, "127.0.0.1", 0) as server,
        ):
            yield Tools(f"{server.url}/mcp", desk.open(task).token, task, desk, kernel_api)
        await embedder.aclose()

    return open_them


async def test_a_saved_document_is_found_read_and_cited(open_tools: OpenTools) -> None:
    async with open_tools() as tools:
        text = "# Returns\n\nA parcel may be returned within thirty days.\n" + "More about parcels. " * 2000
        saved = await tools.call("save_document", title="Returns", content=text, sources=[{"title": "Law"}])
        await tools.call("save_document", title="Weather", content="It rains in spring.")
        found = await tools.call("search_documents", query="How long may I return a parcel?", limit=3)
        assert found["results"][0]["document_id"] == saved["document_id"]
        assert set(found["results"][0]) == {"document_id", "title", "source", "chunk", "text", "score"}
        read = await tools.call("read_document", document_id=saved["document_id"])
        assert (read["text"], read["total_chars"]) == (text[:20_000], len(text))
        end = await tools.call("read_document", document_id=saved["document_id"], offset=len(text) - 7)
        assert end["text"] == text[-7:]
        document = await tools.api.get_document(saved["document_id"])
        assert document and document.sources == [{"title": "Law"}]
        assert [name for name, _ in await tools.journal()] == [
            "save_document", "save_document", "search_documents", "read_document", "read_document",
        ]  # fmt: skip


async def test_progress_becomes_an_event(open_tools: OpenTools) -> None:
    async with open_tools() as tools:
        assert await tools.call("report_progress", message="half way", percent=50) == {"ok": True}
        [event] = [e for e in await tools.api.find_events() if e.event_type == "TASK_PROGRESS"]
        assert (event.message, event.data, event.task_id) == ("half way", {"percent": 50}, tools.task.task_id)


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"),
    [
        ("search_documents", {}, "'query' is a required property"),
        ("search_documents", {"query": "x", "limit": 0}, "limit: 0 is less than the minimum of 1"),
        ("search_documents", {"query": "x", "depth": 3}, "'depth' was unexpected"),
        ("read_document", {"document_id": "nope"}, "There is no document 'nope'"),
        ("read_document", {"document_id": "01a1f8bf-d2f7-7b38-b715-fad5578f9dae"}, "There is no document"),
        ("save_document", {"title": "", "content": "x"}, "title: '' should be non-empty"),
        ("drop_tables", {}, "There is no tool 'drop_tables' for this task"),
    ],
)
async def test_a_wrong_call_is_told_to_the_model_and_recorded(
    open_tools: OpenTools, name: str, arguments: dict[str, Any], complaint: str
) -> None:
    async with open_tools() as tools:
        assert complaint in await tools.call(name, **arguments)
        assert await tools.journal() == [(name, "error")]


async def test_an_agent_sees_and_uses_only_its_tools(open_tools: OpenTools) -> None:
    async with open_tools(agent_tools=["report_progress"]) as tools:
        async with tools.client() as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["report_progress"]
        assert "There is no tool 'save_document'" in await tools.call("save_document", title="a", content="b")


async def test_documents_of_another_tenant_are_not_found(open_tools: OpenTools) -> None:
    async with open_tools() as acme:
        saved = await acme.call("save_document", title="Secret", content="The code word is parsnip.")
    async with open_tools(tenant="globex") as globex:
        assert (await globex.call("search_documents", query="code word parsnip"))["results"] == []
        assert "There is no document" in await globex.call("read_document", document_id=saved["document_id"])


async def test_only_the_token_of_the_task_at_hand_opens_the_endpoint(open_tools: OpenTools) -> None:
    async with open_tools() as tools, httpx.AsyncClient() as http:
        for token in ("wrong", tools.token + "x"):
            refused = await http.post(tools.url, json={}, headers={"Authorization": f"Bearer {token}"})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        tools.desk.clear()
        refused = await http.post(tools.url, json={}, headers={"Authorization": f"Bearer {tools.token}"})
        assert refused.status_code == 401


async def test_a_lost_task_can_save_nothing(
    open_tools: OpenTools, set_clock: Any, start_pod: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_tools() as tools:
        set_clock(3600)
        caplog.set_level(logging.INFO)
        other = await start_pod(name="other")
        assert (await other.claim()).task_id == tools.task.task_id
        with pytest.raises(Exception, match=r"."):
            await tools.call("save_document", title="Late", content="Too late.")
        told = [
            r
            for r in caplog.records
            if r.name == "agent_pod.tool_door.gateway" and "without an answer" in r.getMessage()
        ]
        assert told and not any(record.exc_info for record in told)
        assert not any("raised" in record.getMessage() for record in caplog.records), (
            "the library takes it for a defect"
        )
        assert await tools.api.find_documents() == [] and await tools.journal() == []
