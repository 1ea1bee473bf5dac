"""A child process with three channels: tasks in, answers out, log out.

The pipes are our own: asyncio's wait for a process lasts until every process that inherited one of its pipes is gone,
so that the end of an orchestrator which left children behind would go unnoticed.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

RESULT_FD = "FLEET_RESULT_FD"
_LONGEST_ANSWER = 16 * 1024 * 1024


class Pipes:
    """The child's ends of its pipes; closed in this process on leaving the context."""

    def __init__(self) -> None:
        self.tasks_read, self.tasks_write = os.pipe()
        self.answers_read, self.answers_write = os.pipe()
        self.log_read, self.log_write = os.pipe()

    def __enter__(self) -> "Pipes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child_end in (self.tasks_read, self.answers_write, self.log_write):
            os.close(child_end)
        if kind is not None:
            for our_end in (self.tasks_write, self.answers_read, self.log_read):
                os.close(our_end)


class ChildProcess:
    """Started by `start`. `answers` reads lines; what is printed goes to `log` as it comes."""

    longest_answer = _LONGEST_ANSWER

    @classmethod
    async def start(
        cls, argv: list[str], env: dict[str, str], folder: Path, log: Callable[[bytes], None]
    ) -> "ChildProcess":
        """Start `argv` in a session of its own. FLEET_RESULT_FD is added to `env`. Raises OSError."""
        child = cls()
        with Pipes() as pipes:
            child._process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=pipes.tasks_read,
                stdout=pipes.log_write,
                stderr=pipes.log_write,
                env={**env, RESULT_FD: str(pipes.answers_write)},
                cwd=folder,
                pass_fds=[pipes.answers_write],
                start_new_session=True,
            )
        loop = asyncio.get_running_loop()
        child.answers = asyncio.StreamReader(limit=_LONGEST_ANSWER)
        child._log_ended = loop.create_future()
        answering, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(child.answers), os.fdopen(pipes.answers_read, "rb", buffering=0)
        )
        logging, _ = await loop.connect_read_pipe(
            lambda: _Log(log, child._log_ended), os.fdopen(pipes.log_read, "rb", buffering=0)
        )
        child._tasks, _ = await loop.connect_write_pipe(
            asyncio.Protocol, os.fdopen(pipes.tasks_write, "wb", buffering=0)
        )
        child._reading = [answering, logging]
        return child

    _process: asyncio.subprocess.Process
    _tasks: asyncio.WriteTransport
    _reading: list[asyncio.ReadTransport]
    _log_ended: "asyncio.Future[None]"
    answers: asyncio.StreamReader

    @property
    def pid(self) -> int:
        """Process id; also the id of its process group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def is_silent(self) -> bool:
        """Whether the answer channel is open and holds nothing unread."""
        return not self.answers._buffer and not self.answers._eof  # type: ignore[attr-defined]

    def send(self, line: bytes) -> None:
        """Write to its stdin; what it does not read waits in memory."""
        if not self._tasks.is_closing():
            self._tasks.write(line)

    async def wait(self, timeout_seconds: float) -> int | None:
        """Its exit code, or None where it runs on for `timeout_seconds`."""
        try:
            return await asyncio.wait_for(self._process.wait(), timeout_seconds)
        except TimeoutError:
            return None

    async def log_end(self, timeout_seconds: float) -> None:
        """Wait until all it printed has been read, at most `timeout_seconds`."""
        await asyncio.wait([self._log_ended], timeout=timeout_seconds)

    async def close(self) -> None:
        """Let go of a killed process: reap it and close the pipes."""
        await self._process.wait()
        if not self._tasks.is_closing():
            self._tasks.abort()
        for transport in self._reading:
            transport.close()
        await asyncio.sleep(0)  # the transports close their files in the loop's next turn


class _Log(asyncio.Protocol):
    def __init__(self, take: Callable[[bytes], None], ended: "asyncio.Future[None]"):
        self._take = take
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)
