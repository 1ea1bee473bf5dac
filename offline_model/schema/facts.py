"""What a value may be taken from: the reading of a conversation, seen from one place in the output."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from offline_model.evidence.answer import Source
from offline_model.evidence.reading import Reading
from offline_model.evidence.request import named_values, same_name

NOT_GIVEN = object()
"""Stands for a value nobody gave (None is a value)."""


@dataclass(frozen=True)
class Facts:
    """A reading, and what is being filled from it.

    `calling` tells that arguments of a tool call are filled, not the final answer. `source` is the document the
    object in hand describes. `topic` is what a call is about, for a tool whose only argument has a name that tells
    nothing.
    """

    reading: Reading
    calling: bool = False
    source: Source | None = None
    topic: str = ""

    @classmethod
    def for_call(cls, reading: Reading) -> "Facts":
        """Return the facts to fill a tool's arguments from."""
        return cls(reading, calling=True)

    def about(self, source: Source) -> "Facts":
        """Return these facts seen from an object that describes `source`."""
        return replace(self, source=source)

    def given(self, name: str) -> Any:
        """Return the value somebody gave under this name, or NOT_GIVEN.

        For a source: its own record. For a call: the inputs, then an id from the sources. For the final answer: what
        tools gave back (the last save first, then the newest), the inputs, then an id from the sources.
        """
        wanted = same_name(name)
        if not wanted:
            return NOT_GIVEN
        if self.source:
            return _in((self.source.passage.record,), wanted)
        reading = self.reading
        inputs = _in_depth(reading.request.inputs, wanted)
        reported = _in(([reading.saved] if reading.saved else []) + reading.records, wanted)
        first, second = (inputs, NOT_GIVEN) if self.calling else (reported, inputs)
        if first is not NOT_GIVEN or second is not NOT_GIVEN:
            return second if first is NOT_GIVEN else first
        if wanted.endswith("id"):
            return _in([source.passage.record for source in reading.sources], wanted)
        return NOT_GIVEN

    def answer_text(self, with_sources: bool) -> str:
        """Return a draft the inputs hold and nobody objects to, else the extracted answer, else that there is none."""
        reading = self.reading
        if reading.keeps_draft:
            return reading.draft
        if not reading.answer.lines:
            return reading.nothing_found
        text = reading.answer.text()
        return f"{text}\n\n{reading.answer.source_line()}" if with_sources else text


def _in(records: Any, wanted: str) -> Any:
    for record in records:
        for name, value in record.items():
            if same_name(str(name)) == wanted:
                return value
    return NOT_GIVEN


def _in_depth(values: Mapping[str, Any], wanted: str) -> Any:
    return next((value for name, value in named_values(values) if name == wanted), NOT_GIVEN)
