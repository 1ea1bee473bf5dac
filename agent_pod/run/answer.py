"""What came of running an orchestrator on a task."""

import json
from dataclasses import dataclass
from typing import Any

from agent_pod.run.storable import storable
from kernel.error_classes import ErrorClass

NAMED_BY_ORCHESTRATORS = frozenset(
    {
        ErrorClass.ORCHESTRATOR_FAILED,
        ErrorClass.MODEL_OVERLOADED,
        ErrorClass.MODEL_UNAVAILABLE,
        ErrorClass.MODEL_REFUSED,
        ErrorClass.TOOL_FAILED,
        ErrorClass.OUTPUT_INVALID,
        ErrorClass.INPUT_REFUSED,
    }
)
SICK = "sick"
WAITING = "waiting"
LIMIT = "limit"


@dataclass(frozen=True)
class Done:
    """The orchestrator answered with `output`."""

    output: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """It did not. `reason` is for people; `log_tail` is the end of what it printed.

    `retryable` False: whoever worked on it says that another attempt cannot help, whatever the class.
    `broken`: the child process can take no other task. `output` is kept where there was one that led nowhere.
    `afresh`: the answers it got led to this, so another attempt asks the model again instead of replaying them.
    `by_chance`: its process was killed from outside, whatever it had been answered.
    `retry_after_seconds`: another attempt is made no sooner, from when this is told.
    """

    error_class: ErrorClass
    reason: str
    retryable: bool = True
    log_tail: str = ""
    broken: bool = True
    output: dict[str, Any] | None = None
    afresh: bool = False
    by_chance: bool = False
    retry_after_seconds: float | None = None


@dataclass(frozen=True)
class Stopped:
    """The pod itself ended the run.

    `why`: cancelled, stopped, lost, draining, waiting (the task is suspended), limit (it has used what it may), or sick
    (the pod could start nothing).
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
            reason, retryable = str(storable(message["reason"])), bool(message["retryable"])
            return Failed(_class_of(message, retryable), reason, retryable, log_tail, broken=False)
        raise ValueError(f"type {kind!r} is not done with an output object, and not failed")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        shown = line[:120].decode("utf-8", errors="replace")
        detail = f"{type(error).__name__}: {error}"
        reason = f"the orchestrator's answer is no message: {detail}; it began {shown!r}"
        return Failed(ErrorClass.ORCHESTRATOR_CRASHED, reason, log_tail=log_tail)


def _class_of(message: dict[str, Any], retryable: bool) -> ErrorClass:
    """The class that a failed orchestrator names, where it is one that it can know of."""
    named = message.get("error_class")
    if named is None:
        return ErrorClass.ORCHESTRATOR_FAILED if retryable else ErrorClass.INPUT_REFUSED
    if named not in NAMED_BY_ORCHESTRATORS:
        raise ValueError(f"error_class {named!r} is none of {', '.join(sorted(NAMED_BY_ORCHESTRATORS))}")
    return ErrorClass(named)
