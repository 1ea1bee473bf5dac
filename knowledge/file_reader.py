"""Reads files of strangers: each in a process of its own, so that a hostile one can only hurt that process.

The process has no environment, hence no secret; it is bounded by `knowledge.reading_child` itself, and ended from here
where it takes too long by the clock or answers too much.
"""

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.chunks import Chunk
from knowledge.limits import LARGEST_FILE, READER_SECONDS
from knowledge.source_text import DocumentUnreadable, SourceText

_LONGEST_ANSWER = 128 * 1024 * 1024
_HERE = Path(__file__).resolve().parent.parent
# -I takes nothing from the environment or the working directory; so the place of this package is told.
_START = f"import sys; sys.path.insert(0, {str(_HERE)!r}); from knowledge.reading_child import main; main()"
_SPLIT = "Split it into smaller files, or save it as plain text"


@dataclass(frozen=True)
class ReadFile:
    """What a file holds: its text, and that text in the passages that are searched."""

    source: SourceText
    chunks: list[Chunk]


class FileReader:
    """Reads files, at most `at_once` at the same time: each may take a processor and a gigabyte."""

    def __init__(self, at_once: int = 2) -> None:
        self._places = asyncio.Semaphore(at_once)

    async def read(self, name: str, data: bytes, media_type: str | None = None) -> ReadFile:
        """Read the file called `name`, which was sent as `media_type` (None: not said).

        Raises `DocumentUnreadable`; its reason and remedy are for the person who sent the file.
        """
        if len(data) > LARGEST_FILE:
            size = f"{len(data) / 1024 / 1024:.1f} MB"
            raise DocumentUnreadable(name, f"the file has {size}, more than 50 MB", "Split it into smaller files")
        async with self._places:
            answer = await _ask_child(name, data, media_type)
        if "reason" in answer:
            raise DocumentUnreadable(name, answer["reason"], answer["remedy"])
        source = SourceText(answer["title"], answer["text"], answer["media_type"])
        return ReadFile(source, [Chunk(*chunk) for chunk in answer["chunks"]])


async def _ask_child(name: str, data: bytes, media_type: str | None) -> Any:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _START),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env={"LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
    head = json.dumps({"name": name, "media_type": media_type}).encode() + b"\n"
    try:
        async with asyncio.timeout(2 * READER_SECONDS):
            _, answer = await asyncio.gather(_send(child, head + data), _receive(child))
            code = await child.wait()
    except TimeoutError:
        raise DocumentUnreadable(name, f"reading it takes more than {2 * READER_SECONDS} s", _SPLIT) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if code == 0 and len(answer) <= _LONGEST_ANSWER and answer.endswith(b"}"):
        return json.loads(answer)
    raise _lost(name, code)


async def _send(child: asyncio.subprocess.Process, data: bytes) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write(data)
        await child.stdin.drain()
        child.stdin.close()
        await child.stdin.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        pass  # it has ended already; its exit code says why


async def _receive(child: asyncio.subprocess.Process) -> bytes:
    """The answer; reading stops behind the longest that is taken, and the child is ended."""
    assert child.stdout is not None
    pieces: list[bytes] = []
    length = 0
    while piece := await child.stdout.read(1024 * 1024):
        pieces.append(piece)
        length += len(piece)
        if length > _LONGEST_ANSWER:
            child.kill()
            break
    return b"".join(pieces)


def _lost(name: str, code: int) -> DocumentUnreadable:
    """The error for a child that gave no answer: its processor time was over, or a library fell."""
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return DocumentUnreadable(name, f"reading it takes more than {READER_SECONDS} s of processor time", _SPLIT)
    what = signal.Signals(-code).name if -code in {int(number) for number in signal.Signals} else f"code {code}"
    return DocumentUnreadable(name, f"the file is damaged: its reader ended with {what}", _SPLIT)
