"""A thousand clients that follow process instances on one process of the API."""

import asyncio
import time

import psycopg

from benchmarks.api_process import ApiProcess
from benchmarks.figures import Figure, percentile
from benchmarks.pod_process import TENANT

CLIENTS, INSTANCES, EVENTS, BURST = 1000, 100, 300, 20
_SECONDS_BETWEEN = 0.02

_PREPARE = """
    insert into process_def values ('bench', 'sse', 1, 'sse', '', '{}', '', 'bench', now());
    insert into bpm_proc_inst (tenant_id, id, process_definition_id, process_definition_version, initiator, status,
                               variables, state, revision, start_time)
    select 'bench', gen_random_uuid(), 'sse', 1, 'bench', 'RUNNING', '{}', '{}', 0, now() from generate_series(1, 100)
"""
_INSERT = """insert into events (tenant_id, proc_inst_id, event_type, actor, message, timestamp)
    values (%s, %s, 'TASK_PROGRESS', 'bench', %s, now())"""


class Follower:
    """One client; `late`: milliseconds from the writing of each event to its arrival."""

    def __init__(self, port: int, key: str, path: str):
        self._port, self._key, self._path = port, key, path
        self.late: list[float] = []

    async def open(self) -> None:
        """Return when the server has answered."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(f"GET {self._path} HTTP/1.1\r\nHost: b\r\nX-API-Key: {self._key}\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(head.decode())

    async def read(self) -> None:
        """Note the age of each event, until cancelled."""
        while line := await self._reader.readline():
            if line.startswith(b"data: "):
                written = line.split(b'"message":"', 1)[1].split(b'"', 1)[0]
                self.late.append((time.perf_counter() - float(written)) * 1000)

    def close(self) -> None:
        """Go without a word."""
        self._writer.transport.abort()


async def measure(database_url: str) -> list[Figure]:
    """1000 clients on 100 instances: opening, how late 300 single events and then 20 at once arrive, and the memory."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(_PREPARE)
        instances = [row[0] for row in owner.execute("select id from bpm_proc_inst where initiator = 'bench'")]
        async with ApiProcess(database_url) as api:
            empty = api.memory_mib()
            paths = [f"/instances/{instances[n % INSTANCES]}/events/stream" for n in range(CLIENTS)]
            followers = [Follower(api.port, api.key, path) for path in paths]
            before = time.perf_counter()
            for start in range(0, CLIENTS, 50):
                await asyncio.gather(*(follower.open() for follower in followers[start : start + 50]))
            opened = time.perf_counter() - before
            readers = [asyncio.create_task(follower.read()) for follower in followers]
            await asyncio.sleep(2)
            single = await _told(owner, instances, followers, EVENTS, _SECONDS_BETWEEN)
            together = await _told(owner, instances, followers, BURST * INSTANCES, 0)
            memory = api.memory_mib() - empty
            for follower, reader in zip(followers, readers, strict=True):
                reader.cancel()
                follower.close()
    return [
        Figure(f"{CLIENTS} streams opened on one process", opened, "s"),
        Figure("event to its 10 of 1000 clients, p50", percentile(single, 50), "ms"),
        Figure("event to its 10 of 1000 clients, p95", percentile(single, 95), "ms"),
        Figure(f"{len(together):,} deliveries of a burst, last one", max(together), "ms"),
        Figure("memory per stream", memory * 1024 / CLIENTS, "KiB"),
    ]


async def _told(
    owner: psycopg.Connection, instances: list[object], followers: list[Follower], number: int, pause: float
) -> list[float]:
    """Write events to one instance after the other, and wait until everybody has theirs. Returns how late they were."""
    for follower in followers:
        follower.late.clear()
    for event in range(number):
        owner.execute(_INSERT, [TENANT, instances[event % INSTANCES], repr(time.perf_counter())])
        await asyncio.sleep(pause)
    wanted = number * CLIENTS // INSTANCES
    for _ in range(1200):
        await asyncio.sleep(0.05)
        if sum(len(follower.late) for follower in followers) >= wanted:
            break
    late = [age for follower in followers for age in follower.late]
    assert len(late) == wanted, f"{len(late)} deliveries of {wanted}"
    return late
