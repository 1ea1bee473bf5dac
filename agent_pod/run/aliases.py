"""What differs from run to run and must not: the pod's address, the task's token, the private directory, and what an
orchestrator declares to vary, such as random names that its framework makes up.

Frameworks write them into requests (CrewAI names tools after the address of their MCP server), so that the same call of
two runs would look different. In the journal each has a name of its own; an answer that is replayed gets what they are
in this run.
"""

import json
from typing import Any

import re2


class Aliases:
    """Names for strings of one run, used in the order in which they were added."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._varying: list[Any] = []
        self._found = 0

    def add(self, actual: str, name: str) -> None:
        """From now on `actual` is known as ⟪name⟫."""
        self._names[actual] = f"⟪{name}⟫"

    def add_address(self, host: str, port: int, name: str) -> None:
        """The address host:port, also as names of tools have it (127_0_0_1_8080) and as URLs are quoted."""
        self.add(f"{host}:{port}", name)
        self.add(f"{host}%3A{port}", f"{name} quoted")
        for mark in "_-":
            self.add(f"{host}:{port}".replace(".", mark).replace(":", mark), f"{name}{mark}")

    def add_pattern(self, pattern: str) -> None:
        """From now on each text that matches `pattern` (of RE2) is known as ⟪varies N⟫, numbered as they come."""
        self._varying.append(re2.compile(pattern))

    @property
    def edition(self) -> int:
        """Another number when `replace` makes something else of the same value."""
        return len(self._names)

    @property
    def looks(self) -> bool:
        """Whether there are patterns, so that what is new has to go through `find`."""
        return bool(self._varying)

    def hide(self, value: Any) -> Any:
        """`value` (JSON as Python reads it) as it goes to the journal."""
        self.find(value)
        return self.replace(value)

    def replace(self, value: Any) -> Any:
        """`value` with the names that are known by now."""
        return _replaced(value, self._names)

    def show(self, value: Any) -> Any:
        """A value of the journal as it goes to this run."""
        return _replaced(value, {name: actual for actual, name in self._names.items()})

    def find(self, value: Any) -> None:
        """Give a name to each text in `value` that matches a pattern and has none yet."""
        text = json.dumps(value, ensure_ascii=False) if self._varying else ""
        for pattern in self._varying:
            for found in pattern.finditer(text):
                if found[0] and found[0] not in self._names:
                    self._found += 1
                    self.add(found[0], f"varies {self._found}")


def _replaced(value: Any, names: dict[str, str]) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    found = [old for old in names if old in text]
    for old in found:
        text = text.replace(old, names[old])
    return json.loads(text) if found else value
