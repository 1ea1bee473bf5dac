"""What a step needs beside its own definition: the processes it calls and the decisions it asks.

A step is a pure function, so it does not look them up: it is computed with what is at hand, and `NotAtHand` says what
is missing. Whoever computes the step reads that, puts it in, and computes the step again.
"""

from dataclasses import dataclass, field
from typing import Literal

from process_engine.values.errors import EngineError
from process_engine.values.plain_json import Json

Kind = Literal["process", "decision"]


@dataclass(frozen=True)
class Deployed:
    """A version of a process or decision: its number and its `spec`, which is not to be changed."""

    version: int
    spec: dict[str, Json]


class NotAtHand(EngineError):
    """A step needs a process or decision that is not in its library; `version` None: the newest."""

    def __init__(self, kind: Kind, name: str, version: int | None) -> None:
        self.kind: Kind = kind
        self.name = name
        self.version = version
        super().__init__(f"the {kind} {name!r}, version {version or 'newest'}, is needed")


@dataclass
class Library:
    """Deployed processes and decisions by kind, id and version (None: the newest); None where there is no such one."""

    entries: dict[tuple[Kind, str, int | None], Deployed | None] = field(default_factory=dict)

    def find(self, kind: Kind, name: str, version: int | None) -> Deployed | None:
        """The entry, or None where it is known that there is none.

        Raises:
            NotAtHand: nobody has looked yet.
        """
        if (kind, name, version) not in self.entries:
            raise NotAtHand(kind, name, version)
        return self.entries[kind, name, version]

    def add(self, missing: NotAtHand, found: Deployed | None) -> None:
        """Put in what was missing; the newest version is there under its number, too."""
        self.entries[missing.kind, missing.name, missing.version] = found
        if found is not None:
            self.entries[missing.kind, missing.name, found.version] = found
