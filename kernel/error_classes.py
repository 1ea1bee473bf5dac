"""Why an attempt at a task failed: the closed list of error classes, the same in init.sql, documents and metrics.

What each means, which are retried and which use an attempt up, is in kernel.error_classes of init.sql and in
docs/retries.md.
"""

from enum import StrEnum


class ErrorClass(StrEnum):
    """Class of a failed attempt."""

    WORKER_LOST = "worker_lost"
    ORCHESTRATOR_CRASHED = "orchestrator_crashed"
    ORCHESTRATOR_FAILED = "orchestrator_failed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    OUT_OF_BOUNDS = "out_of_bounds"
    MODEL_OVERLOADED = "model_overloaded"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_AUTH = "model_auth"
    MODEL_REFUSED = "model_refused"
    TOOL_FAILED = "tool_failed"
    OUTPUT_INVALID = "output_invalid"
    OUTPUT_REFUSED = "output_refused"
    INPUT_REFUSED = "input_refused"
    DEFINITION_INVALID = "definition_invalid"
    LIMIT_REACHED = "limit_reached"
    GIVEN_UP = "given_up"


NEVER_RETRIED = frozenset(
    {
        ErrorClass.OUTPUT_REFUSED,
        ErrorClass.INPUT_REFUSED,
        ErrorClass.DEFINITION_INVALID,
        ErrorClass.LIMIT_REACHED,
        ErrorClass.GIVEN_UP,
    }
)
"""No retry policy can ask for another attempt after these."""
