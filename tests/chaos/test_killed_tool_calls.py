"""A pod dies in the middle of a call to a tenant's MCP server: the call is made again with its key, or a person is
asked. Whole processes throughout; and no file of the fleet holds the server's credentials."""

import asyncio
import getpass
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from live_fleet import LiveFleet, one_step, until
from tool_server import ToolServer

from fleet.programs.fleet_tree import FleetTree

pytestmark = pytest.mark.chaos
ORCHESTRATORS = Path(__file__).resolve().parents[1] / "orchestrators"
SECRET = "s3cr3t-of-acme-4711"


@pytest.fixture
def billing() -> Iterator[ToolServer]:
    """A server in a thread of its own, whose calls hang until it is told otherwise."""
    server, up, down = ToolServer(), threading.Event(), threading.Event()
    server.hangs = True

    async def serve() -> None:
        async with server.running():
            up.set()
            await asyncio.to_thread(down.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    up.wait()
    yield server
    down.set()
    thread.join()


@pytest.fixture
def one_pod(tmp_path: Path, billing: ToolServer) -> Iterator[LiveFleet]:
    environment = {
        **os.environ,
        "FLEET_ORCHESTRATORS": str(ORCHESTRATORS),
        "FLEET_LEASE_SECONDS": "3",
        "FLEET_INLINE_WAIT_SECONDS": "0",
        "FLEET_MCP_ALLOW": '["127.0.0.0/8"]',
        "FLEET_RUNNER_USER": getpass.getuser(),
    }
    with FleetTree(tmp_path, 0, 1, environment) as tree:
        live = LiveFleet(tree)
        live.deploy(one_step("naughty", retries=3))
        live.api.put("/mcp-servers/billing", {"url": billing.url, "headers": {"Authorization": f"Bearer {SECRET}"}})
        yield live
        live.close()


def kill_the_pod(fleet: LiveFleet) -> None:
    [pod] = [child for child in fleet.tree.children if child.name.startswith("pod")]
    assert pod.process is not None
    psutil.Process(pod.process.pid).kill()
    until(lambda: fleet.tree.keep_up() or None)


@pytest.mark.parametrize("tool", ["renew", "charge"])
def test_a_call_under_way_when_its_pod_is_killed_is_repeated_with_its_key_or_asked_about(
    one_pod: LiveFleet, billing: ToolServer, tool: str
) -> None:
    call = {"name": f"billing__{tool}", "arguments": {"amount": 90}}
    instance = one_pod.start("one_step_naughty", do="call_tool", call=call)
    until(lambda: billing.done or None)
    billing.hangs = False
    kill_the_pod(one_pod)
    if tool == "charge":
        [question] = until(lambda: one_pod.api.get("/questions")["items"] or None)
        assert "it may have run" in question["question"]
        decision = {"decision": "skip", "result": {"number": 1}}
        one_pod.api.post(f"/questions/{question['question_id']}/answer", {"answer": decision})
    ended = one_pod.ended(instance)
    assert ended["status"] == "COMPLETED"
    assert ended["variables"]["said"] == {"number": 1 if tool == "charge" else 2}
    assert len(billing.done) == (1 if tool == "charge" else 2) and len(set(billing.done)) == 1
    [journalled] = one_pod.api.get(f"/instances/{instance}/calls")["items"]
    assert (journalled["name"], journalled["outcome"]) == (f"billing__{tool}", "ok")
    logs = "".join(log.read_text() for log in (one_pod.tree.data / "logs").iterdir())
    assert "claimed task" in logs and SECRET not in logs
