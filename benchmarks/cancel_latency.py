"""Cancel latency: from the call that cancels a running task to the moment its orchestrator's process is gone, whatever
that does meanwhile; and how long the call takes that cancels a task which no pod has.

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
from uuid import UUID

import psycopg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent_pod.servers import LoopServer
from benchmarks.figures import Figure, percentile
from benchmarks.pod_process import PodProcess

DEEDS = ("asleep", "busy", "deaf", "in a model call")
SAMPLES = 200
_LOOK_SECONDS = 0.001
_T = TypeVar("_T")


async def measure(database_url: str) -> list[Figure]:
    """200 tasks of a real pod, one after the other, 200 processes killed at a bare NOTIFY, 200 tasks in the queue."""
    with tempfile.TemporaryDirectory(prefix="fleet-cancel-") as folder:
        os.chmod(folder, 0o777)  # noqa: PTH101  # the orchestrator may be another user
        async with (
            LoopServer(Starlette(routes=[Route("/v1/{path:path}", _never, methods=["POST"])]), "127.0.0.1", 0) as model,
            PodProcess(database_url, f"{model.url}/v1") as pod,
        ):
            running = [
                (DEEDS[number % len(DEEDS)], await _one(pod, Path(folder) / str(number), DEEDS[number % len(DEEDS)]))
                for number in range(SAMPLES)
            ]
            waiting = await _in_the_queue(pod, Path(folder) / "queue")
    bare = await _bare(database_url)
    fleet = [seconds for _, seconds in running]
    return [
        *(Figure(f"cancel of a running task, p{p}", _ms(fleet, p), "ms", _ms(bare, p), "LISTEN") for p in (50, 95, 99)),
        *(
            Figure(f"cancel of a task that is {deed}, p95", _ms([s for d, s in running if d == deed], 95), "ms")
            for deed in DEEDS
        ),
        *(Figure(f"cancel of a task in the queue, p{p}", _ms(waiting, p), "ms") for p in (50, 95)),
    ]


def _ms(seconds: list[float], percent: int) -> float:
    return percentile(seconds, percent) * 1000


async def _never(request: Request) -> Response:
    await asyncio.sleep(3600)
    return Response()


async def _in_the_queue(pod: PodProcess, file: Path) -> list[float]:
    """Seconds of each call, while the pod has another task."""
    running, _ = await _begun(pod, file, "asleep")
    seconds = []
    for _ in range(SAMPLES):
        [task_id] = await pod.kernel.enqueue_tasks([{"activity_id": "sleep", "agent_orch": "sleeper"}])
        started = time.perf_counter()
        await pod.kernel.cancel_task(task_id, "measured")
        seconds.append(time.perf_counter() - started)
    await pod.kernel.cancel_task(running, "measured")
    return seconds


async def _one(pod: PodProcess, file: Path, how: str) -> float:
    task_id, process = await _begun(pod, file, how)
    started = time.perf_counter()
    await pod.kernel.cancel_task(task_id, "measured")
    await _until(lambda: _is_gone(process))
    return time.perf_counter() - started


async def _begun(pod: PodProcess, file: Path, how: str) -> tuple[UUID, int]:
    """A task that runs, and the process of its orchestrator."""
    task = {"activity_id": "sleep", "agent_orch": "sleeper", "input": {"file": str(file), "how": how}}
    [task_id] = await pod.kernel.enqueue_tasks([task])
    return task_id, int(await _until(lambda: _text(file)))


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
