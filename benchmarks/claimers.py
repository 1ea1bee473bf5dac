"""Claimer processes (benchmarks/claimer.py): one per claimer, as a pod is."""

import asyncio
import sys
import time


async def start(queue: str, database_url: str, number: int, *most: int) -> list[asyncio.subprocess.Process]:
    """Start `number` claimers of `queue` (fleet or raw), each for `most` tasks.

    They are connected when this returns, and begin at `go`.
    """
    claimers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.claimer", queue, database_url, *map(str, most),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(number)
    ]  # fmt: skip
    for claimer in claimers:
        assert await _line(claimer) == b"connected\n"
    return claimers


def go(claimers: list[asyncio.subprocess.Process]) -> None:
    """Let them begin."""
    for claimer in claimers:
        assert claimer.stdin is not None
        claimer.stdin.write(b"go\n")


async def rate(queue: str, database_url: str, number: int, *most: int) -> tuple[float, int]:
    """Tasks per second of all claimers together, and how many they ended after their first ones."""
    claimers = await start(queue, database_url, number, *most)
    began = time.perf_counter()
    go(claimers)
    ended = sum([int(await _line(claimer)) for claimer in claimers])
    seconds = time.perf_counter() - began
    for claimer in claimers:
        await claimer.wait()
    return ended / seconds, ended


async def _line(claimer: asyncio.subprocess.Process) -> bytes:
    assert claimer.stdout is not None
    return await claimer.stdout.readline()
