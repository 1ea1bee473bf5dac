"""The loop breaker's memory: how often in a row the same call was answered with the same.

It does not matter what lies between two equal calls, so an agent that goes back and forth between two of them is seen
as well. A call whose answer changes begins anew: polling something that moves is no loop.
"""

from typing import Any

from kernel.packing import digest

_ALWAYS_NEW = frozenset(
    {"id", "call_id", "item_id", "created", "created_at", "completed_at", "usage", "system_fingerprint", "model"}
)
_FAILED = "failed"


class Repeats:
    """What one run of a task has heard, by the key of the call."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[str, int]] = {}

    def note(self, kind: str, key: str, response: Any, ok: bool) -> None:
        """A call was answered with `response`, live or from the journal.

        Whatever a tool says when it fails is the same. Model endpoints fail for reasons of their own, and embeddings
        are no decisions, so neither counts.
        """
        if kind == "embeddings" or (kind != "tool" and not ok):
            return
        said = _FAILED if not ok else digest([response if kind == "tool" else _decided(response)])
        before, times = self._heard.get(key, ("", 0))
        self._heard[key] = (said, times + 1 if said == before else 1)

    def times(self, key: str) -> int:
        """How often in a row the call of `key` has been answered with the same."""
        return self._heard.get(key, ("", 0))[1]

    def most(self) -> int:
        """The largest such number of the run."""
        return max((times for _, times in self._heard.values()), default=0)

    def forget(self) -> None:
        """Time has passed, or a person has spoken: what was the same may be something else now."""
        self._heard.clear()


def _decided(response: Any) -> Any:
    """A model's answer without what endpoints make anew for each answer."""
    if isinstance(response, dict):
        return {name: _decided(part) for name, part in response.items() if name not in _ALWAYS_NEW}
    return [_decided(part) for part in response] if isinstance(response, list) else response
