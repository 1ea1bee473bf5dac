"""Cancel latency: from the call that cancels a running task to the moment its orchestrator's process is gone.

Beside it, what LISTEN and SIGKILL alone cost on the same machine: from the call that commits a NOTIFY to the moment the
process that its receiver kills is gone.
"""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psycopg

from benchmarks.figures import Figure, percentile
from benchmarks.pod_process import PodProcess

SAMPLES = 200
_LOOK_SECONDS = 0.001
_T = TypeVar("_T")


async def measure(database_url: str) -> list[Figure]:
    """200 tasks of a real pod, one after the other, and 200 processes killed at a bare NOTIFY."""
    with tempfile.TemporaryDirectory(prefix="fleet-cancel-") as folder:
        async with PodProcess(database_url) as pod:
            fleet = [await _one(pod, Path(folder) / str(number)) for number in range(SAMPLES)]
    bare = await _bare(database_url)
    return [
        Figure(
            f"cancel of a running task, p{p}", percentile(fleet, p) * 1000, "ms", percentile(bare, p) * 1000, "LISTEN"
        )
        for p in (50, 95, 99)
    ]


async def _one(pod: PodProcess, file: Path) -> float:
    task = {"activity_id": "sleep", "agent_orch": "sleeper", "input": {"file": str(file)}}
    [task_id] = await pod.kernel.enqueue_tasks([task])
    process = int(await _until(lambda: _text(file)))
    started = time.perf_counter()
    await pod.kernel.cancel_task(task_id, "measured")
    await _until(lambda: _is_gone(process))
    return time.perf_counter() - started


async def _until(look: Callable[[], _T]) -> _T:
    while True:
        if found := look():
            return found
        await asyncio.sleep(_LOOK_SECONDS)


def _text(file: Path) -> str:
    """What is in it, once that is written whole."""
    text = file.read_text() if file.exists() else ""
    return text if text.endswith(" ") else ""


def _is_gone(process: int) -> bool:
    """Whether it is dead; one that nobody has waited for yet (a zombie) is."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def _bare(database_url: str) -> list[float]:
    connect = psycopg.AsyncConnection.connect
    async with (
        await connect(database_url, autocommit=True) as sender,
        await connect(database_url, autocommit=True) as listener,
    ):
        await listener.execute("listen bare_cancel")
        return [await _killed(sender, listener) for _ in range(SAMPLES)]


async def _killed(sender: psycopg.AsyncConnection, listener: psycopg.AsyncConnection) -> float:
    victim = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(3600)")
    started = time.perf_counter()
    await sender.execute("select pg_notify('bare_cancel', '')")
    async for _ in listener.notifies(timeout=5, stop_after=1):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
    await _until(lambda: _is_gone(victim.pid))
    elapsed = time.perf_counter() - started
    await victim.wait()
    return elapsed
