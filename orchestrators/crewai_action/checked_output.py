"""Holds each answer of the crew against the output schema and the sources: CrewAI's guardrail of the task."""

from collections.abc import Callable
from typing import Any

from orchestrators import kit
from orchestrators.answers.output_form import OutputForm

MOST_CORRECTIONS = 2


class CheckedOutput:
    """`check` is the guardrail; `output` is what came of it once an answer was good.

    `tell` takes a notice for the people who watch the task.
    """

    def __init__(self, form: OutputForm, tell: Callable[[str], object]) -> None:
        self._form = form
        self._tell = tell
        self._answers = 0
        self._problems = ""
        self.output: dict[str, Any] = {}

    def check(self, answer: Any) -> tuple[bool, Any]:
        """Whether the answer (CrewAI's TaskOutput) can be used, and the answer or what is wrong with it."""
        reading = self._form.read(answer.raw, last_chance=self._answers == MOST_CORRECTIONS)
        self._answers += 1
        if reading.dropped:
            self._tell(f"Left out sources which no tool returned: {', '.join(reading.dropped)}")
        self._problems, self.output = reading.problems, reading.output
        return not reading.problems, reading.problems or answer.raw

    @property
    def refusal(self) -> kit.Refused | None:
        """The refusal of a crew whose answers were all invalid."""
        if self._answers <= MOST_CORRECTIONS or not self._problems:
            return None
        reason = f"The answer was still invalid after {MOST_CORRECTIONS} corrections: {self._problems}"
        return kit.Refused(reason, error_class="output_invalid")
