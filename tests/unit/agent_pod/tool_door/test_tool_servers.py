"""The tools of a tenant's MCP servers: offered, called, journalled, repeated or asked about, and kept from leaking."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import MCPError
from replay_bench import LOOPBACK, Bench, Run
from tool_server import ToolServer

from agent_pod.tool_door.tool_servers.client import ServerClient
from agent_pod.tool_door.tool_servers.servers import TenantServers
from agent_pod.tool_door.tool_servers.tools import tool_name
from kernel.errors import InvalidInput, LeaseLost
from kernel.functions import Kernel
from kernel.models import Agent

SECRET = "Bearer s3cr3t-of-acme-4711"
OWN = ["search_documents", "read_document", "save_document", "report_progress"]


@pytest.fixture
async def billing() -> AsyncIterator[ToolServer]:
    async with ToolServer().running() as server:
        yield server


@pytest.fixture
async def bench(bench: Bench, enqueue: Any, kernel_api: Kernel, billing: ToolServer) -> Bench:
    await enqueue(max_attempts=5)
    await kernel_api.put_mcp_server("billing", billing.url, headers={"Authorization": SECRET}, timeout_seconds=5)
    return bench


async def names(run: Run) -> list[str]:
    return [tool.name for tool in await run.tools()]


async def outcomes(bench: Bench) -> list[tuple[str, str]]:
    return [(call.name, call.outcome) for call in await bench.calls()]


async def test_the_tools_of_a_server_are_offered_beside_those_of_the_pod_and_called(
    bench: Bench, billing: ToolServer
) -> None:
    async with bench.again() as run:
        offered = await run.tools()
        assert [tool.name for tool in offered] == [
            *OWN, "billing__charge", "billing__fails", "billing__headers", "billing__peek", "billing__renew",
        ]  # fmt: skip
        charge, peek = offered[4], offered[7]
        assert charge.description == "Charge a card." and charge.input_schema["required"] == ["amount"]
        assert peek.annotations and peek.annotations.read_only_hint
        result = await run.result("billing__charge", amount=90)
        assert result.structured_content == {"number": 1} and not result.is_error
        assert billing.asked[-1]["authorization"] == SECRET
    [(tool, amount, key)] = billing.done
    assert (tool, amount) == ("charge", 90) and key
    assert await outcomes(bench) == [("billing__charge", "ok")]


async def test_an_answered_call_is_replayed_byte_for_byte_also_when_the_server_is_gone(
    bench: Bench, billing: ToolServer
) -> None:
    async with bench.again() as run:
        first = [await run.result("billing__renew", amount=1), await run.result("billing__fails")]
    await bench.api.delete_mcp_server("billing")
    async with bench.again() as run:
        assert first == [await run.result("billing__renew", amount=1), await run.result("billing__fails")]
        assert first[1].is_error and "no luck" in first[1].content[0].text  # type: ignore[union-attr]
    assert len(billing.done) == 1
    assert await outcomes(bench) == [("billing__renew", "ok"), ("billing__fails", "error")]


@pytest.mark.parametrize("tool", ["peek", "renew", "charge"])
async def test_a_call_whose_pod_died_runs_again_with_the_same_key_or_asks_a_person(
    bench: Bench, billing: ToolServer, tool: str
) -> None:
    billing.hangs = True
    async with bench.again() as run:
        call = asyncio.create_task(run.tool(f"billing__{tool}", amount=7))
        await billing.started.wait()
        assert await outcomes(bench) == [(f"billing__{tool}", "started")]
        billing.hangs = False
        async with bench.again() as other:
            said = await other.tool(f"billing__{tool}", amount=7)
        call.cancel()
    if tool == "charge":
        [asked] = await bench.api.find_questions()
        assert "the task waits" in said and len(billing.done) == 1
        assert asked.kind == "unknown_outcome" and "its pod died before it answered: it may have run" in asked.question
    else:
        assert '"number": 2' in said.replace("\n", "")
        assert billing.done[0] == billing.done[1] and billing.done[0][2]


async def test_a_second_try_that_did_not_arrive_does_not_close_a_call_that_may_have_run(
    bench: Bench, billing: ToolServer
) -> None:
    billing.hangs = True
    async with bench.again() as run:
        await names(run)
        call = asyncio.create_task(run.tool("billing__renew", amount=7))
        await billing.started.wait()
        billing.hangs = False
        async with bench.again() as other:
            await names(other)
            billing.status = 401
            assert "It may have run: you may ask it again" in await other.tool("billing__renew", amount=7)
            assert await outcomes(bench) == [("billing__renew", "started")]
            billing.status = None
            assert "number" in await other.tool("billing__renew", amount=7)
        call.cancel()
    assert len(billing.done) == 2 and billing.done[0] == billing.done[1]
    assert await outcomes(bench) == [("billing__renew", "ok")]


async def test_a_declared_tool_is_idempotent_too(bench: Bench, billing: ToolServer) -> None:
    await bench.api.put_mcp_server("billing", billing.url, headers={}, idempotent_tools=["charge"], timeout_seconds=5)
    billing.cut = True
    async with bench.again() as run:
        assert (await run.result("billing__charge", amount=1)).structured_content == {"number": 2}
    assert billing.done[0] == billing.done[1], "cut off, and made again with the same key"


async def test_a_connection_that_breaks_after_the_request_is_an_unknown_outcome(
    bench: Bench, billing: ToolServer
) -> None:
    bench.inline_seconds = 30
    billing.cut = True
    async with bench.again() as run:
        call = asyncio.create_task(run.result("billing__charge", amount=1))
        async with asyncio.timeout(10):
            while not (questions := await bench.api.find_questions()):
                pass
        assert "'billing' broke off: it may have run" in questions[0].question
        assert await outcomes(bench) == [("billing__charge", "started")]
        await bench.api.answer_question(questions[0].question_id, {"decision": "run_again"})
        assert (await call).structured_content == {"number": 2}
    assert billing.done[0] == billing.done[1]
    assert await outcomes(bench) == [("billing__charge", "ok")]


async def test_a_pod_that_slept_past_its_lease_calls_nothing_more(bench: Bench, billing: ToolServer) -> None:
    others: list[Any] = []

    class SleepsAfterward:
        async def call(self, function: str, claims: Any, **args: Any) -> list[Any]:
            rows = await transport.call(function, claims, **args)
            if function == "journal_call" and not others:
                bench.set_clock(7200)
                others.append(await (await bench.start_pod(name="other")).claim())
            return rows

    transport, bench.is_held = bench.kernel.transport, lambda: not others
    bench.kernel = Kernel(SleepsAfterward())
    async with bench.again() as run:
        lost = pytest.RaisesExc(MCPError, match="The lease of this task is lost")
        with pytest.RaisesGroup(lost, flatten_subgroups=True, allow_unwrapped=True):
            await run.tool("billing__charge", amount=7)
    assert billing.done == [] and await outcomes(bench) == [("billing__charge", "started")]


@pytest.mark.parametrize("tool", ["peek", "renew", "charge"])
async def test_a_slow_server_costs_its_timeout_and_no_more(bench: Bench, billing: ToolServer, tool: str) -> None:
    await bench.api.put_mcp_server("billing", billing.url, timeout_seconds=1)
    billing.hangs = True
    async with bench.again() as run:
        said = await run.tool(f"billing__{tool}", amount=1)
        billing.hangs = False
        billing.hang.set()
        again = "" if tool == "charge" else await run.tool(f"billing__{tool}", amount=1)
    if tool == "charge":
        [asked] = await bench.api.find_questions()
        assert "the MCP server 'billing' gave no answer within" in asked.question
        return
    assert "the MCP server 'billing' gave no answer within" in said and "number" in again
    same_key = billing.done[0][2] == billing.done[-1][2]
    assert same_key is (tool == "renew"), "what only reads has ended in an error; anything else is still the same call"
    assert [outcome for _, outcome in await outcomes(bench)] == (["ok"] if tool == "renew" else ["error", "ok"])


async def test_a_server_that_is_down_costs_only_its_own_tools_and_is_named(bench: Bench) -> None:
    await bench.api.put_mcp_server("crm", "http://127.0.0.1:1/mcp", timeout_seconds=2)
    async with bench.again() as run:
        offered = await names(run)
        assert "billing__peek" in offered and not any(name.startswith("crm__") for name in offered)
        await names(run)
        said = await run.tool("crm__find", text="x")
        assert said.startswith("crm__find: the MCP server 'crm' cannot be reached")
    [event] = await bench.events("TASK_PROGRESS")
    assert event.data == {"mcp_server": "crm"} and "'crm' cannot be reached" in event.message
    assert await outcomes(bench) == [("crm__find", "error")]


async def test_a_server_that_went_down_keeps_its_tools_and_says_so_when_they_are_called(
    bench: Bench, kernel_pod: Kernel, billing: ToolServer
) -> None:
    bench.servers = TenantServers(kernel_pod, ServerClient([LOOPBACK]), 0)
    async with bench.again() as run:
        before = await names(run)
        billing.status = 503
        assert await names(run) == before
        assert "the MCP server 'billing' answered with HTTP 503" in await run.tool("billing__peek", amount=1)
        billing.status = 401
        assert "does not take the credentials" in await run.tool("billing__renew", amount=1)
    assert billing.done == []


@pytest.mark.parametrize(
    ("tools", "offered"),
    [
        (["billing__peek", "save_document"], ["save_document", "billing__peek"]),
        (["billing__*"], ["billing__charge", "billing__peek"]),
        (["save_document"], ["save_document"]),
        (["crm__find"], ["crm__find"]),
    ],
)
async def test_an_agent_has_only_its_tools_and_a_server_gives_only_those_that_are_allowed(
    bench: Bench, enqueue: Any, billing: ToolServer, tools: list[str], offered: list[str]
) -> None:
    await bench.api.put_mcp_server("billing", billing.url, allowed_tools=["peek", "charge"])
    await bench.api.put_mcp_server("crm", "http://127.0.0.1:1/mcp")
    await bench.api.save_agent(Agent(agent_id="a", name="", role="", goal="", persona="", model=None, tools=tools))
    await enqueue(agent_id="a", priority=5)
    async with bench.again() as run:
        assert run.task.agent and await names(run) == offered
        assert "There is no tool 'billing__renew'" in await run.tool("billing__renew", amount=1)


async def test_another_tenant_and_a_disabled_server_give_no_tools(
    bench: Bench, enqueue: Any, billing: ToolServer
) -> None:
    async with bench.again() as run:
        assert "billing__peek" in await names(run)
        await bench.api.switch_mcp_server("billing", False)
        assert await names(run) == OWN
        assert "There is no tool 'billing__peek'" in await run.tool("billing__peek", amount=1)
        await bench.api.switch_mcp_server("billing", True)
        assert "number" in await run.tool("billing__peek", amount=1)
    await enqueue(tenant="globex", priority=5)
    async with bench.again() as run:
        assert run.task.tenant_id == "globex" and await names(run) == OWN
        assert "There is no tool 'billing__peek'" in await run.tool("billing__peek", amount=2)
    assert len(billing.done) == 1


async def test_credentials_reach_the_server_and_nobody_else(
    bench: Bench, caplog: pytest.LogCaptureFixture, database_url: str
) -> None:
    caplog.set_level(logging.INFO)
    for quoting in ("mcp.client", "client"):  # as fleet/programs/commands.py has it
        caplog.set_level(logging.CRITICAL + 1, quoting)
    async with bench.again() as run:
        said = [await run.tool("billing__headers"), await run.tool("billing__fails")]
        assert all("[redacted]" in text for text in said)
    stored = [
        str(await bench.calls()),
        str(await bench.api.find_events()),
        str(await bench.api.find_mcp_servers()),
        str(await bench.kernel.task_mcp_servers(run.task)),
        *(record.getMessage() for record in caplog.records),
    ]
    assert all("s3cr3t" not in text for text in [*said, *stored])


async def test_a_private_address_is_refused_unless_the_operator_allows_it(bench: Bench, kernel_pod: Kernel) -> None:
    bench.servers = TenantServers(kernel_pod, ServerClient([]), 60)
    async with bench.again() as run:
        assert "has to allow its network in FLEET_MCP_ALLOW" in await run.tool("billing__peek", amount=1)


async def test_only_the_pod_that_holds_the_task_is_told_how_to_reach_a_server(bench: Bench, start_pod: Any) -> None:
    async with bench.again() as run:
        [access] = await bench.kernel.task_mcp_servers(run.task)
        assert access.headers["Authorization"].get_secret_value() == SECRET
        async with bench.again():
            with pytest.raises(LeaseLost):
                await bench.kernel.task_mcp_servers(run.task)


async def test_stored_headers_do_not_follow_a_server_to_another_host(kernel_api: Kernel) -> None:
    await kernel_api.put_mcp_server("crm", "https://crm.example/mcp?key=abc", headers={"X-Key": "0123456789"})
    moved = await kernel_api.put_mcp_server("crm", "https://crm.example/other?key=abc", headers=None)
    assert (moved.header_names, moved.url) == (["X-Key"], "https://crm.example/other?…")
    with pytest.raises(InvalidInput, match=r"headers: those of MCP server crm were given for another host"):
        await kernel_api.put_mcp_server("crm", "https://evil.example/mcp", headers=None)
    gone = await kernel_api.put_mcp_server("crm", "https://evil.example/mcp", headers={})
    assert gone.header_names == []


def test_names_of_tools_are_names_of_functions() -> None:
    assert tool_name("crm", "find") == "crm__find"
    strange, long = tool_name("crm", "find.by/name"), tool_name("crm", "x" * 100)
    assert strange.startswith("crm__find_by_name_") and strange != tool_name("crm", "find/by.name")
    assert len(long) == 64 and long != tool_name("crm", "x" * 101)
