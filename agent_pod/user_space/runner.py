"""A child process that runs one orchestrator, task after task, for one tenant and agent.

Tasks go in on stdin and answers come back on a pipe of their own, one JSON object per line; stdout and stderr are only
log. The child is killed with everything it started when it overstays, over-eats, floods, or when the pod loses the
task.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent_pod.run.answer import Answer, Failed, Stopped, read_answer
from agent_pod.user_space import process_tree, run_folder
from agent_pod.user_space.child_process import ChildProcess
from agent_pod.user_space.log_tail import LogTail
from agent_pod.user_space.registry import OrchestratorDeclaration
from kernel.error_classes import ErrorClass

_WATCH_SECONDS = 0.5
_CRASHED, _BOUNDS = ErrorClass.ORCHESTRATOR_CRASHED, ErrorClass.OUT_OF_BOUNDS
_LAUNCH = str(Path(__file__).with_name("launch.py"))
_KIT = Path(__file__).resolve().parents[2] / "orchestrators"


@dataclass(frozen=True)
class Limits:
    """What one orchestrator may use: printed bytes per task, processes, and the user it runs as (None: the pod's)."""

    output_bytes: int
    processes: int
    user: str | None


class Runner:
    """One child process. Use `start`, then `run` for each task, then `close`."""

    def __init__(self, declaration: OrchestratorDeclaration, limits: Limits):
        self.declaration = declaration
        self._limits = limits
        self._cookie = uuid.uuid4().hex
        self._log = LogTail()

    @property
    def home(self) -> Path:
        """Its private directory."""
        return self._home

    @property
    def alive(self) -> bool:
        """Whether it can take a task: it runs, and has said nothing since its last answer."""
        return self._child.returncode is None and self._child.is_silent

    async def start(self) -> None:
        """Start the child. Raises OSError where even the launcher cannot start."""
        self._home = run_folder.make()
        if self._limits.user:
            shutil.chown(self._home, self._limits.user)
        memory, user = str(self.declaration.memory_mb), self._limits.user or "-"
        argv = [sys.executable, "-I", "-S", _LAUNCH, memory, user, *self.declaration.argv]
        self._child = await ChildProcess.start(argv, self._environment(), self._home, self._log.add)

    async def run(self, message: dict[str, Any], timeout_seconds: float, stop: "asyncio.Future[str]") -> Answer:
        """Give the child a task and wait for its answer.

        `message` is the task as orchestrators/README.md has it. `stop` ends the wait with Stopped(its result).
        """
        self._log.reset()
        answer = asyncio.create_task(self._ask(message))
        violation = asyncio.create_task(self._watch())
        try:
            await asyncio.wait([answer, violation, stop], timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if stop.done():
                return Stopped(stop.result())
            if violation.done():
                return self._failed(*violation.result())
            return self._failed(ErrorClass.TIMED_OUT, f"timed out: no answer within {timeout_seconds:g} s")
        finally:
            for waiting in (answer, violation):
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiting

    async def close(self) -> None:
        """Kill the child with everything it started, and remove its directory."""
        process_tree.kill(self._child.pid, self._cookie)
        await self._child.close()
        shutil.rmtree(self._home, ignore_errors=True)

    async def _ask(self, message: dict[str, Any]) -> Answer:
        self._child.send(json.dumps(message).encode() + b"\n")
        try:
            line = await self._child.answers.readline()
        except ValueError:
            most = self._child.longest_answer
            return self._failed(_BOUNDS, f"the orchestrator's answer is longer than {most} bytes")
        if line.endswith(b"\n"):
            return read_answer(line, message["task_id"], self._log.text)
        return await self._crashed()

    async def _crashed(self) -> Failed:
        code = await self._child.wait(timeout_seconds=2)
        if code is None:
            return self._failed(_CRASHED, "the orchestrator closed its answer channel without an answer")
        await self._child.log_end(timeout_seconds=1)
        how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        said = f": {self._log.last_line}" if self._log.last_line else ""
        failed = self._failed(_CRASHED, f"the orchestrator {how} before it answered{said}")
        return replace(failed, by_chance=code == -signal.SIGKILL)  # nothing kills itself so; faults have other signals

    async def _watch(self) -> tuple[ErrorClass, str]:
        """Returns what limit was passed, when one is."""
        most_memory = self.declaration.memory_mb * 1024 * 1024
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            if self._log.written > self._limits.output_bytes:
                return _BOUNDS, f"flooded its log: more than {self._limits.output_bytes} bytes in one task"
            used = process_tree.usage(self._child.pid)
            if used.memory > most_memory:
                return ErrorClass.OUT_OF_MEMORY, f"out of memory: more than {self.declaration.memory_mb} MB"
            if used.processes > self._limits.processes:
                return _BOUNDS, f"forked too much: more than {self._limits.processes} processes"

    def _import_path(self) -> Path:
        # Holds `orchestrators` alone: next to the pod's own packages, an orchestrator with an environment of its own
        # would import the pod's versions of everything.
        path = self._home / "path"
        path.mkdir()
        (path / "orchestrators").symlink_to(_KIT, target_is_directory=True)
        return path

    def _failed(self, error_class: ErrorClass, reason: str) -> Failed:
        return Failed(error_class, reason, log_tail=self._log.text)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self._import_path()),
            "PYTHONUNBUFFERED": "1",
            process_tree.COOKIE: self._cookie,
        }
