"""Pods that run a crew in front of a ledger, and the places at which one can be killed exactly.

For a model call: `asked` (the request is at the model), `answered` (the model has answered, and the pod has not stored
it), `stored` (it is stored, and the crew has not read it). For a tool call: `begun` (it runs, and has done nothing),
`done` (it has done its work, and the pod has not stored that), `stored`.
"""

import asyncio
import getpass
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import psycopg
from ledger_model import CHAT, EMBEDDING, LedgerModel

from kernel.functions import Kernel
from kernel.models import Task

PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Place:
    """Where a pod is killed: at which call, counted from 1 among those of its kind, and how far that is."""

    kind: str
    number: int
    phase: str

    def __str__(self) -> str:
        return f"{self.kind} {self.number} {self.phase}"


def places(chats: int, tools: int) -> list[Place]:
    """Every place of a run with so many model calls and tool calls."""
    model = [Place(CHAT, n, phase) for n in range(1, chats + 1) for phase in ("asked", "answered", "stored")]
    tool = [Place(EMBEDDING, n, phase) for n in range(1, tools + 1) for phase in ("begun", "done", "stored")]
    return [*model, *tool]


@dataclass
class Scene:
    """One pod at a time, real processes on a real database; `pod` is the one at work."""

    database_url: str
    owner: psycopg.Connection
    api: Kernel
    set_clock: Callable[[float], Any]
    ledger: LedgerModel
    model_url: str
    folder: Path
    declared: dict[str, str]
    pod: "subprocess.Popen[bytes] | None" = None
    pods: int = 0
    clock: float = 0
    started: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def start_pod(self) -> None:
        """The next pod, on ports of its own."""
        self.pods += 1
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "FLEET_"))},
            **self.declared,
            "DATABASE_URL": self.database_url,
            "OPENAI_BASE_URL": self.model_url,
            "OPENAI_API_KEY": "sk-real",
            "FLEET_POD_NAME": f"pod-{self.pods}",
            "FLEET_LEASE_SECONDS": "600",
            "FLEET_IDLE_POLL_SECONDS": "0.3",
            "FLEET_RUNNER_USER": getpass.getuser(),
        }
        with (self.folder / f"pod-{self.pods}.log").open("wb") as log:
            self.pod = subprocess.Popen([sys.executable, "-m", "fleet", "pod"], env=environment, stdout=log, stderr=log)
        self.started.append(self.pod)

    def log(self) -> str:
        """What the pod at work has printed."""
        return (self.folder / f"pod-{self.pods}.log").read_text()

    def close(self) -> None:
        """End all pods."""
        for pod in self.started:
            pod.kill()
            pod.wait()

    async def kill_at(self, place: Place, task_id: UUID) -> None:
        """Wait until the task is at `place`, kill its pod there, and let its lease run out."""
        entry = await self.ledger.arrived(place.kind, place.number)
        if place.phase == "stored":
            self._freeze_crew()
            entry.release.set()
            await self._until(lambda: self._stored(task_id, place.kind) >= place.number)
            self._kill()
        elif place.phase in ("answered", "done"):
            # Storing waits for a lock, and gives up with the killed pod's session.
            with psycopg.connect(self.database_url) as locker:
                locker.execute("lock table journal in exclusive mode")
                entry.release.set()
                await self._until(lambda: bool(self._waiting()))
                self._kill()
                for process in self._waiting():
                    self.owner.execute("select pg_terminate_backend(%s, 5000)", [process])
        else:
            self._kill()
        self.ledger.drop_held()
        self.clock += 3600
        self.set_clock(self.clock)

    async def kill_crew_at(self, place: Place, task_id: UUID) -> None:
        """Wait until the task is `stored` at `place`, kill its crew there, and let the pause before a retry pass."""
        entry = await self.ledger.arrived(place.kind, place.number)
        self._freeze_crew()
        entry.release.set()
        await self._until(lambda: self._stored(task_id, place.kind) >= place.number)
        for child in self._crew():
            child.kill()
        retried = "select from todolist where task_id = %s and status = 'PENDING'"
        await self._until(lambda: bool(self.owner.execute(retried, [task_id]).fetchall()))
        self.ledger.drop_held()
        self.clock += 3600
        self.set_clock(self.clock)

    async def ended(self, task_id: UUID) -> Task:
        """The task once it is DONE or FAILED."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            task = await self.api.get_task(task_id)
            assert task is not None
            if task.status in ("DONE", "FAILED"):
                return task
            assert asyncio.get_running_loop().time() < deadline, f"{task.status}: {task.error}\n{self.log()}"
            await asyncio.sleep(0.1)

    def _crew(self) -> list[psutil.Process]:
        assert self.pod is not None
        return psutil.Process(self.pod.pid).children(recursive=True)

    def _freeze_crew(self) -> None:
        for process in self._crew():
            process.send_signal(signal.SIGSTOP)

    def _kill(self) -> None:
        assert self.pod is not None
        self.pod.kill()
        self.pod.wait()

    def _stored(self, task_id: UUID, kind: str) -> int:
        kinds = ["tool"] if kind == EMBEDDING else [CHAT]
        asked = "select from journal where task_id = %s and kind::text = any(%s) and outcome = 'ok'"
        return len(self.owner.execute(asked, [task_id, kinds]).fetchall())

    def _waiting(self) -> list[int]:
        asked = """select pid from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock' and query like '%journal_call%'"""
        return [row[0] for row in self.owner.execute(asked).fetchall()]

    async def _until(self, holds: Callable[[], bool]) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not holds():  # other processes bring it about
            assert asyncio.get_running_loop().time() < deadline, self.log()
            await asyncio.sleep(0.02)


def tool_call(number: int, name: str, **arguments: Any) -> dict[str, Any]:
    """One tool call of a model's message."""
    asked = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": f"call-{number}", "type": "function", "function": asked}
