"""All processes of one orchestrator, also those that left its process group: found by a cookie in their environment."""

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil

COOKIE = "FLEET_RUNNER"


@dataclass(frozen=True)
class Usage:
    """`processes` of the tree and their resident memory in bytes."""

    processes: int
    memory: int


def usage(pid: int) -> Usage:
    """What the process `pid` and its descendants use now; zeros where it is gone."""
    memory = count = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                memory += process.memory_info().rss
                count += 1
    return Usage(count, memory)


def kill(pid: int, cookie: str) -> None:
    """Kill the process group that `pid` leads and every process that carries `cookie`.

    Repeats while such processes appear, a few times: one that forks faster than it is found is met by the group's
    signal or at the next round.
    """
    for _ in range(5):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        strays = _carriers(cookie)
        for stray in strays:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(stray, signal.SIGKILL)
        if not strays:
            return


def _carriers(cookie: str) -> list[int]:
    needle = f"{COOKIE}={cookie}".encode()
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if needle in (entry / "environ").read_bytes().split(b"\0") and not _is_zombie(entry):
                found.append(int(entry.name))
    return found


def _is_zombie(entry: Path) -> bool:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
