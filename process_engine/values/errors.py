"""What can go wrong in the process engine.

    EngineError
    ├── DefinitionInvalid    the BPMN file cannot be run; `problems` says why, all of it
    ├── StepFailed           a process instance cannot go on: condition, mapping, no branch (an incident)
    ├── FormRejected         what a person submitted does not fit the task's form; `faults` says which fields
    ├── RepairRefused        a repair by hand would not be sound; `word` says in one word why
    ├── TokenUnknown         the token is not open in this state: completed before, withdrawn, or never there
    ├── ExpressionError      an expression is wrong or cannot be evaluated
    └── NotPlainJson         a value has no JSON form (NaN, a date, a key that is not text)

The last two never leave `definition.parse`, `steps.start` and `steps.complete`: there they become a Problem or
StepFailed.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a process definition.

    `element_id` is the BPMN id of the element at fault and `line` its line in the file, counted from 1; None where
    there is none (a file that is not XML has no element). `message` is complete: it names element, value and remedy.
    """

    element_id: str | None
    line: int | None
    message: str


class EngineError(Exception):
    """Base of every error the process engine raises on purpose."""


class DefinitionInvalid(EngineError):
    """The BPMN file cannot be run. `problems` holds everything found, in the order of the file; never empty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line or 0)
        super().__init__("\n".join(problem.message for problem in self.problems))


class StepFailed(EngineError):
    """The process instance cannot make this step; its state is as before. `element_id` names the BPMN element."""

    def __init__(self, element_id: str, message: str) -> None:
        self.element_id = element_id
        self.message = message
        super().__init__(f"{element_id}: {message}")


class FormRejected(EngineError):
    """What a person submitted does not fit the task's form. `faults` holds (field, what is wrong), never empty."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(f"{field}: {message}" if field else message for field, message in faults))


class RepairRefused(EngineError):
    """A token cannot be moved so, or an instance not be forked so. `word` is for programs, `remedy` for people."""

    def __init__(self, word: str, message: str, remedy: str) -> None:
        self.word = word
        self.remedy = remedy
        super().__init__(message)


class TokenUnknown(EngineError):
    """No open task of this state has the token `token_id`."""

    def __init__(self, token_id: str) -> None:
        self.token_id = token_id
        super().__init__(f"token {token_id!r} is not open in this process instance")


class ExpressionError(EngineError):
    """An expression has a syntax error, names an unknown function or cannot be evaluated with these variables."""


class NotPlainJson(EngineError):
    """A value is not plain JSON. The message says where in it and why."""
