"""What came of running an orchestrator on a task."""

import json
from dataclasses import dataclass
from typing import Any

from agent_pod.storable import storable

SICK = "sick"
WAITING = "waiting"


@dataclass(frozen=True)
class Done:
    """The orchestrator answered with `output`."""

    output: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """It did not. `reason` is for people; `log_tail` is the end of what it printed; `retryable`: may help again.

    `broken`: the child process can take no other task. `output` is kept where there was one that led nowhere.
    `afresh`: the answers it got led to this, so another attempt asks the model again instead of replaying them.
    """

    reason: str
    retryable: bool = True
    log_tail: str = ""
    broken: bool = True
    output: dict[str, Any] | None = None
    afresh: bool = False


@dataclass(frozen=True)
class Stopped:
    """The pod itself ended the run.

    `why`: cancelled, stopped, lost, draining, waiting (the task is suspended), or sick (the pod could start nothing).
    """

    why: str


Answer = Done | Failed | Stopped


def read_answer(line: bytes, task_id: str, log_tail: str) -> Done | Failed:
    """The answer in one line of the result channel (orchestrators/README.md is the protocol)."""
    try:
        message = json.loads(line)
        kind = message["type"]
        if message["task_id"] != task_id:
            raise ValueError(f"it answers task {message['task_id']!r}")
        if kind == "done" and isinstance(message["output"], dict):
            return Done(storable(message["output"]))
        if kind == "failed":
            reason = str(storable(message["reason"]))
            return Failed(reason, bool(message["retryable"]), log_tail, broken=False)
        raise ValueError(f"type {kind!r} is not done with an output object, and not failed")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        shown = line[:120].decode("utf-8", errors="replace")
        detail = f"{type(error).__name__}: {error}"
        return Failed(f"the orchestrator's answer is no message: {detail}; it began {shown!r}", True, log_tail)
