"""What an import could not carry over as it was. Nothing is lost without a finding."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What became of a part of the definition, the gravest first."""

    STOPS = "stops"
    """A condition without a translation: an instance that reaches it stops with an incident that quotes it."""
    BY_HAND = "by_hand"
    """Became a person's task that says what has to be done."""
    LEFT_OUT = "left_out"
    """Is not in the BPMN file."""
    CHANGED = "changed"
    """Is there and works differently."""
    TO_SET_UP = "to_set_up"
    """Is there and needs something of this fleet: an agent profile, a tool server, a person."""


MEANING = {
    Outcome.STOPS: "an instance that gets there stops with an incident",
    Outcome.BY_HAND: "became a person's task",
    Outcome.LEFT_OUT: "not in the BPMN file",
    Outcome.CHANGED: "works differently here",
    Outcome.TO_SET_UP: "to set up here",
}
"""Outcome -> how a report says it."""


@dataclass(frozen=True)
class Finding:
    """One thing that was not carried over as it was.

    Attributes:
        outcome: what became of it.
        element: the id in the BPMN file of the element it belongs to, or of the process.
        what: a sentence that says what it is and what stands there instead.
        original: its text in the JSON file, as far as it had one.
    """

    outcome: Outcome
    element: str
    what: str
    original: str = ""


class Findings:
    """Collects findings in the order in which they are made; the same one is kept once."""

    def __init__(self) -> None:
        self._found: dict[Finding, None] = {}

    def add(self, outcome: Outcome, element: str, what: str, original: str = "") -> None:
        """Record one; see `Finding`."""
        self._found[Finding(outcome, element, what, original)] = None

    def of(self, outcome: Outcome) -> list[Finding]:
        """Those with this outcome."""
        return [finding for finding in self._found if finding.outcome == outcome]

    def sorted(self) -> list[Finding]:
        """All of them, the gravest outcome first."""
        order = list(Outcome)
        return sorted(self._found, key=lambda finding: order.index(finding.outcome))

    def as_json(self) -> list[dict[str, Any]]:
        """All of them as plain JSON, the gravest outcome first."""
        return [asdict(finding) for finding in self.sorted()]
