"""The calls that earlier runs of a task made, and how this run follows them."""

import asyncio
import contextlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from itertools import islice

from kernel.journal_models import JournalledCall, Replay
from kernel.packing import Packer

STARTED = "started"
REPEAT = "repeat"
UNANSWERED = (STARTED, REPEAT)
_MOST_AHEAD = 32


class TaskCalls:
    """What one run of a task knows of the journal. Empty until `load`.

    `replayed` and `live` count the calls of this run: answered from the journal, and not; `passing` those replayed
    that are errors of tools, which are asked again after a failed attempt. `running` are those that have no answer yet,
    `asking` the ids of those that wait for one from outside; `suspended`: the task leaves its pod.
    """

    def __init__(self) -> None:
        self.loading = asyncio.Lock()
        self.reading = asyncio.Lock()
        self.loaded = False
        self.packer = Packer()
        self.replayed = 0
        self.live = 0
        self.passing = 0
        self.running = 0
        self.asking: set[int] = set()
        self.suspended = False
        self._known: defaultdict[str, deque[JournalledCall]] = defaultdict(deque)
        self._occurrences: Counter[str] = Counter()
        self._told = False
        self._untaken: dict[int, None] = {}
        self._answers: dict[int, Replay] = {}
        self._ahead = 0

    def load(self, calls: list[JournalledCall]) -> None:
        """Take in what the journal has, in the order in which it was written."""
        for call in sorted(calls, key=lambda c: c.occurrence):
            self._known[call.call_key].append(call)
            self._occurrences[call.call_key] = call.occurrence
        self._untaken = dict.fromkeys(sorted(c.call_id for c in calls if c.outcome not in UNANSWERED))
        self.loaded = True

    def take(self, key: str) -> JournalledCall | None:
        """The first call of `key` that this run has not repeated yet; None: this one is new."""
        known = self._known.get(key)
        call = known.popleft() if known else None
        if call is not None:
            self._untaken.pop(call.call_id, None)
        return call

    def to_read(self, call_id: int) -> list[int]:
        """The answers to read when that of `call_id` is not at hand: it and those that come next, the more the longer
        the run follows the earlier one."""
        self._ahead = 0 if self._answers else min(2 * self._ahead + 1, _MOST_AHEAD)
        return [call_id, *islice((later for later in self._untaken if later > call_id), self._ahead)]

    def keep(self, answers: dict[int, Replay]) -> None:
        """Have these answers at hand, and no others."""
        self._answers = answers

    def at_hand(self, call_id: int) -> Replay | None:
        """The answer of a taken call, once, where it was read before."""
        return self._answers.pop(call_id, None)

    def leave_open(self, call_id: int, key: str, occurrence: int) -> None:
        """A call of this run has no answer: when it is asked again, it is the same call."""
        self._known[key].appendleft(
            JournalledCall(call_id=call_id, call_key=key, occurrence=occurrence, outcome=STARTED)
        )

    def next_occurrence(self, key: str) -> int:
        """The number of a new call of `key` in the task."""
        self._occurrences[key] += 1
        return self._occurrences[key]

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """A call is under way."""
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1

    @property
    def followed_to_the_letter(self) -> bool:
        """Whether every answer that this run got was from the journal, and the next run would get them all again."""
        return self.replayed > 0 and self.live == 0 and self.passing == 0

    def divergence(self) -> int:
        """How many answered calls were not repeated, when a new call has ended; 0 once it was told."""
        left = sum(call.outcome not in UNANSWERED for known in self._known.values() for call in known)
        if left == 0 or self._told:
            return 0
        self._told = True
        return left
