"""Writes its process id to a file and works for an hour, so that somebody can cancel it."""

import os
import time
from pathlib import Path

from orchestrators import kit


def handle(task: kit.Task) -> dict:
    """Never in time."""
    Path(task.input["file"]).write_text(f"{os.getpid()} ")
    time.sleep(3600)
    return {}


if __name__ == "__main__":
    kit.serve(handle)
