"""The HTTP servers within a pod's loop."""

import signal

import httpx
from starlette.applications import Starlette

from agent_pod.servers import LoopServer


async def test_a_server_of_the_pod_leaves_signals_to_the_pod() -> None:
    own = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with LoopServer(Starlette(), "127.0.0.1", 0) as server, httpx.AsyncClient() as client:
        assert (await client.get(server.url)).status_code == 404, "it serves"
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == own
