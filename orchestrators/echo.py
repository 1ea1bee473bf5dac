"""The smallest orchestrator: gives back what it was given. For benchmarks, tests and a first look."""

from typing import Any

from orchestrators import kit


def echo(task: kit.Task) -> dict[str, Any]:
    """Return the task's input under `echo`."""
    return {"echo": task.input}


if __name__ == "__main__":
    kit.serve(echo)
