"""A real execution API as a child process, and a client that costs little, for benchmarks that need them."""

import asyncio
import os
import signal
import socket
import sys
import time
from types import TracebackType

import psutil

from benchmarks.figures import percentile
from benchmarks.pod_process import TENANT
from kernel.migrate import create_api_key

_NO_LIMIT = {"FLEET_API_RATE": "0"}


class ApiProcess:
    """A server on loopback: `python -m fleet api`, or `argv`. Use as `async with`; it answers on entering.

    `port`: where it is; `key`: an API key of the tenant of benchmarks.
    """

    def __init__(self, database_url: str, argv: list[str] | None = None):
        self.port = _free_port()
        self.key = create_api_key(database_url, TENANT, "bench")
        port = ["--port", str(self.port)]
        self._argv = [sys.executable, *(argv or ["-m", "fleet", "api"]), *port]
        self._environment = {**os.environ, "DATABASE_URL": database_url, **_NO_LIMIT}

    async def __aenter__(self) -> "ApiProcess":
        self._process = await asyncio.create_subprocess_exec(
            *self._argv, env=self._environment, stderr=asyncio.subprocess.DEVNULL
        )
        while True:
            if self._process.returncode is not None:
                raise RuntimeError(f"the API exited with {self._process.returncode}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return self
            except OSError:
                await asyncio.sleep(0.05)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        await self._process.wait()

    def processor_seconds(self) -> float:
        """Processor time that the process has used."""
        used = psutil.Process(self._process.pid).cpu_times()
        return used.user + used.system

    def memory_mib(self) -> float:
        """Resident memory of the process."""
        return psutil.Process(self._process.pid).memory_info().rss / 2**20


async def post_many(port: int, path: str, body: bytes, headers: str, number: int, clients: int) -> tuple[float, float]:
    """POST `body` `number` times over `clients` connections. Returns requests per second, and p95 in milliseconds."""
    request = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    times: list[float] = []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(number // clients):
            before = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            if " 20" not in head.split("\r\n", 1)[0]:
                raise RuntimeError(head)
            await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
            times.append((time.perf_counter() - before) * 1000)
        writer.close()

    before = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return len(times) / (time.perf_counter() - before), percentile(times, 95)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
