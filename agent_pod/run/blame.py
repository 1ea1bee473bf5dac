"""Why a run failed, by what crossed its endpoints: that says more than what its orchestrator made of it."""

import time
from dataclasses import replace

from agent_pod.run.answer import Failed
from agent_pod.run.call_failures import CallFailure
from kernel.error_classes import ErrorClass

_SAID = frozenset(
    {
        ErrorClass.ORCHESTRATOR_CRASHED,
        ErrorClass.ORCHESTRATOR_FAILED,
        ErrorClass.TOOL_FAILED,
        ErrorClass.OUTPUT_INVALID,
        ErrorClass.INPUT_REFUSED,
        ErrorClass.MODEL_OVERLOADED,
        ErrorClass.MODEL_UNAVAILABLE,
        ErrorClass.MODEL_REFUSED,
    }
)
_UNSAID = frozenset({ErrorClass.ORCHESTRATOR_CRASHED, ErrorClass.ORCHESTRATOR_FAILED})
_MOST_REASON = 1000


class Troubles:
    """The last call of a run that failed, as long as none that began after it went well."""

    def __init__(self) -> None:
        self.last: CallFailure | None = None
        self._at = 0.0

    def note(self, started: float, failure: CallFailure | None) -> None:
        """A call has ended. `started`: time.monotonic() when it came; `failure`: None where it went well."""
        if failure is not None:
            self.last, self._at = failure, time.monotonic()
        elif started >= self._at:
            self.last = None

    def explain(self, failed: Failed) -> Failed:
        """`failed`, with the class of the call that led to it where there is one.

        A model that failed outweighs all that the orchestrator says, and whether it would try again; a tool that failed
        counts where the orchestrator gives no class. A run that took too long is the model's fault where that kept
        it waiting.
        """
        call = self.last
        if call is None:
            return failed
        if call.error_class == ErrorClass.TOOL_FAILED:
            blamed = failed.retryable and failed.error_class in _UNSAID
            return replace(failed, error_class=call.error_class) if blamed else failed
        if failed.error_class not in _SAID and not (failed.error_class == ErrorClass.TIMED_OUT and call.may_pass):
            return failed
        wait = None if call.retry_at is None else max(call.retry_at - time.monotonic(), 0)
        reason = f"{call.reason}. The orchestrator: {failed.reason}"[:_MOST_REASON]
        return replace(failed, error_class=call.error_class, reason=reason, retryable=True, retry_after_seconds=wait)
