"""The process that reads one file: bounded in memory, time, files and children before it looks at the first byte.

Standard input: one line of JSON {"name", "media_type"}, then the file. Standard output: one JSON value, either
{"title", "text", "media_type", "chunks": [[place, heading, text], ...]} or {"reason", "remedy"}.
"""

import json
import logging
import resource
import sys
from typing import Any

from knowledge.limits import READER_MEMORY, READER_SECONDS
from knowledge.source_text import DocumentUnreadable

_MOST_FILES = 64


def main() -> None:
    """Read the file on standard input and answer on standard output."""
    _bind()
    logging.disable()  # what pypdf warns about, thousands of times in a hostile file
    asked = json.loads(sys.stdin.buffer.readline())
    sys.stdout.write(json.dumps(_answer(asked["name"], asked["media_type"], sys.stdin.buffer.read())))


def _bind() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (READER_SECONDS, READER_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (READER_MEMORY, READER_MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_FILES, _MOST_FILES))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _answer(name: str, media_type: str | None, data: bytes) -> dict[str, Any]:
    try:
        # After the limits: the libraries that read files are the first thing they bound.
        from knowledge.chunks import split  # noqa: PLC0415
        from knowledge.declared_kind import check_declared  # noqa: PLC0415
        from knowledge.read_file import read  # noqa: PLC0415

        source = read(name, data)
        check_declared(name, media_type, source)
        chunks = [[chunk.index, chunk.heading, chunk.text] for chunk in split(source.text)]
    except DocumentUnreadable as unreadable:
        return {"reason": unreadable.reason, "remedy": unreadable.remedy}
    except MemoryError:
        megabytes = READER_MEMORY // 1024 // 1024
        return {"reason": f"reading the file takes more than {megabytes} MB of memory", "remedy": "Split it"}
    except RecursionError:
        return {"reason": "the file is nested too deep", "remedy": "Save it as plain text or PDF"}
    return {"title": source.title, "text": source.text, "media_type": source.media_type, "chunks": chunks}


if __name__ == "__main__":
    main()
