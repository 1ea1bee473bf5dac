"""Answers with the time at which it was given its task, in seconds since the epoch."""

import time

from orchestrators import kit


def handle(task: kit.Task) -> dict:
    """The time, at once."""
    return {"started_at": time.time()}


if __name__ == "__main__":
    kit.serve(handle)
