"""Throws faults at the stage, each kind at its own random moments, and writes down when each was thrown at whom."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from chaos.stage import Stage

_PAUSES = {  # seconds between two faults of a kind, from and to
    "kill_pod": (4, 12),
    "freeze_pod": (8, 20),
    "kill_orchestrator": (8, 20),
    "kill_api": (15, 40),
    "kill_effects": (15, 40),
    "kill_deliverer": (15, 40),
    "restart_database": (5, 20),
    "cut_connections": (3, 10),
    "jump_clock": (10, 30),
}
_CLOCK_SECONDS = (-15.0, 60.0)


class Faults:
    """`throw` runs until cancelled and leaves nothing frozen. The log is `folder`/faults.jsonl."""

    def __init__(self, stage: Stage):
        self._stage = stage
        self._plan = stage.plan
        self.log = stage.folder / "faults.jsonl"
        self._clock_seconds = 0.0
        self._setting_clock = asyncio.Lock()
        self._frozen: set[int] = set()

    async def throw(self) -> None:
        """Throw faults of the plan's kinds."""
        kinds = [kind for kind in self._plan.faults if kind in _PAUSES]
        try:
            await asyncio.gather(*(self._keep_throwing(kind) for kind in kinds))
        finally:
            for pid in self._frozen:
                _signal(pid, signal.SIGCONT)

    async def move_clock(self, seconds: float) -> None:
        """Move the database's clock by `seconds`. This alone is no fault: where nobody is at work it takes nothing."""
        self._clock_seconds += seconds
        async with self._setting_clock, await self._stage.owner() as owner:
            await owner.execute("select * from kernel.set_clock(make_interval(secs => %s))", [self._clock_seconds])

    async def _keep_throwing(self, kind: str) -> None:
        dice = self._plan.dice(kind)
        deeds: dict[str, Callable[[Any], Awaitable[None]]] = {
            "kill_pod": self._kill_pod,
            "freeze_pod": self._freeze_pod,
            "kill_orchestrator": self._kill_orchestrator,
            "kill_api": lambda dice: self._kill("api"),
            "kill_effects": lambda dice: self._kill("effects"),
            "kill_deliverer": lambda dice: self._kill("deliverer"),
            "restart_database": self._restart_database,
            "cut_connections": self._cut_connections,
            "jump_clock": self._jump_clock,
        }
        while True:
            await asyncio.sleep(dice.uniform(*_PAUSES[kind]))
            await deeds[kind](dice)

    async def _kill_pod(self, dice: Any) -> None:
        name = dice.choice(self._stage.pods)
        if self._stage.has_lived(name):
            self._note("kill_pod", pod=name)
            _signal(self._stage.pid(name), signal.SIGKILL)

    async def _freeze_pod(self, dice: Any) -> None:
        name, seconds = dice.choice(self._stage.pods), self._plan.lease_seconds * dice.uniform(1.2, 2)
        if not self._stage.has_lived(name):
            return
        pid, begun = self._stage.pid(name), time.time()
        self._frozen.add(pid)
        _signal(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            woke = time.time()
            _signal(pid, signal.SIGCONT)
            self._frozen.discard(pid)
            self._note("freeze_pod", at=begun, pod=name, seconds=round(woke - begun, 3))

    async def _kill_orchestrator(self, dice: Any) -> None:
        name = dice.choice(self._stage.pods)
        with contextlib.suppress(psutil.Error):
            if children := psutil.Process(self._stage.pid(name)).children():
                self._note("kill_orchestrator", pod=name)
                for child in children:
                    _signal(child.pid, signal.SIGKILL)

    async def _kill(self, name: str) -> None:
        if self._stage.has_lived(name):
            self._note(f"kill_{name}")
            _signal(self._stage.pid(name), signal.SIGKILL)

    async def _restart_database(self, dice: Any) -> None:
        async with self._setting_clock:  # else nobody knows whether it was set
            begun = time.time()
            self._stage.server.crash()  # nothing else of the run goes on meanwhile: all of it needs the database
        self._note("restart_database", at=begun, seconds=round(time.time() - begun, 1))

    async def _cut_connections(self, dice: Any) -> None:
        self._note("cut_connections", connections=self._stage.wire.cut(dice.uniform(0.2, 1)))

    async def _jump_clock(self, dice: Any) -> None:
        seconds = dice.uniform(*_CLOCK_SECONDS)
        await self.move_clock(seconds)
        self._note("jump_clock", seconds=round(seconds, 1))

    def _note(self, kind: str, **more: Any) -> None:
        with self.log.open("a") as file:
            file.write(json.dumps({"at": time.time(), "kind": kind} | more) + "\n")


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def read_log(file: Path) -> list[dict[str, Any]]:
    """The lines of a log of JSON objects; none where it was never written."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
