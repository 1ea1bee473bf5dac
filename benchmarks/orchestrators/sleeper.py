"""Writes its process id to a file and works for an hour as its task says, so that somebody can cancel it."""

import itertools
import os
import signal
import time
from pathlib import Path

import httpx

from orchestrators import kit


def handle(task: kit.Task) -> dict:
    """Never in time. `input`: `file`, and `how`: asleep, busy, deaf (to SIGTERM), or in a model call."""
    Path(task.input["file"]).write_text(f"{os.getpid()} ")
    how = task.input["how"]
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if how == "busy":
        sum(itertools.repeat(1))
    if how == "in a model call":
        said = {"model": "bench", "messages": [{"role": "user", "content": "Think."}]}
        headers = {"Authorization": f"Bearer {task.token}"}
        httpx.post(f"{task.model_url}/chat/completions", json=said, headers=headers, timeout=3600)
    time.sleep(3600)
    return {}


if __name__ == "__main__":
    kit.serve(handle)
