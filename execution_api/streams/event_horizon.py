"""Up to which number all events are there: none with a lower number can still be committed.

The proof is in init.sql under "Following events".
"""

from collections import deque

from kernel.models import EventMarks

_MOST_LOOKS = 1000


class EventHorizon:
    """Learns from one look at the marks after the other. `reached`: the horizon; None before the first is known."""

    def __init__(self) -> None:
        self.reached: int | None = None
        self._looks: deque[tuple[int, set[str]]] = deque(maxlen=_MOST_LOOKS)

    @property
    def is_behind(self) -> bool:
        """Whether there are numbers whose events may still come."""
        return bool(self._looks)

    def learn(self, marks: EventMarks) -> None:
        """Take in what `event_marks` has just said."""
        for _, writers in self._looks:  # who let go is gone for good: the next transaction has another name
            writers.intersection_update(marks.writers)
        if marks.last_id != (self._looks[-1][0] if self._looks else self.reached):
            self._looks.append((marks.last_id, set(marks.writers)))
        settled = [number for number, writers in self._looks if not writers]
        if settled:
            self.reached = settled[-1]
            self._looks = deque([look for look in self._looks if look[0] > settled[-1]], _MOST_LOOKS)
