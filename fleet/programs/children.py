"""Child processes of `fleet up`: started, watched, started again when they die, and ended in order."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from kernel.errors import FleetError

_MOST_RESTARTS_PER_MINUTE = 5
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ProgramFailed(FleetError):
    """A program of the fleet does not stay up. The message shows the end of its log."""


@dataclass
class Child:
    """A program under supervision. Its output goes to `log`."""

    name: str
    argv: list[str]
    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it, in a session of its own so that Ctrl-C reaches it only in the order of `stop_all`."""
        self.starts = [at for at in self.starts if at > time.monotonic() - 60] + [time.monotonic()]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # this process has no threads
            )  # fmt: skip

    def keep_up(self) -> bool:
        """Start it again where it has died; returns whether it had. Raises ProgramFailed when it dies too often."""
        assert self.process is not None
        code = self.process.poll()
        if code is None:
            return False
        if len(self.starts) > _MOST_RESTARTS_PER_MINUTE:
            raise ProgramFailed(
                f"{self.name} exited with {code} again and again; the end of {self.log}:\n{self.tail()}"
            )
        self.start()
        return True

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])


def stop_all(children: list[Child], patience_seconds: float) -> None:
    """End children with SIGTERM, all at once, and with SIGKILL those that take longer than `patience_seconds`."""
    running = [child.process for child in children if child.process is not None and child.process.poll() is None]
    for process in running:
        process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + patience_seconds
    for process in running:
        try:
            process.wait(timeout=max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
