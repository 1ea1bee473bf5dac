"""The vocabulary of this package: a field of a schema, a value for it, and the error when there is none."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from offline_model.schema.facts import Facts
from offline_model.text.words import stem, words

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class SchemaUnmet(Exception):
    """A schema no value can be given for. `field` is where the request gave it; the message tells place and reason."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Filled:
    """A value and whether it was `found` in the text (False: a neutral value, because one is required)."""

    value: Any
    found: bool


class Fills(Protocol):
    """What fills a field; lists and objects ask it for their parts."""

    def fill(self, field: "Field", facts: Facts, given: Mapping[str, Any] | None = None, depth: int = 0) -> Filled:
        """Return a value for `field`."""
        ...

    def is_valid(self, schema: Mapping[str, Any], value: Any) -> bool:
        """Tell whether `value` is valid against a part of the root schema."""
        ...

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return `schema` with its reference followed."""
        ...


@dataclass(frozen=True)
class Field:
    """One place of a schema: the property's name ("" at the root and in lists of a nameless list) and its schema."""

    name: str
    schema: Mapping[str, Any]

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """The stems of the words in the name, in order."""
        return tuple(stem(word) for word in words(_CAMEL.sub(" ", self.name).replace("_", " ")))

    @property
    def description(self) -> str:
        """The words of the schema about this field."""
        return str(self.schema.get("description", ""))

    def is_called(self, names: frozenset[str]) -> bool:
        """Tell whether a word of the name is one of `names` (given as stems)."""
        return not names.isdisjoint(self.stems)


def stems(names: str) -> frozenset[str]:
    """Return the stems of space-separated `names`."""
    return frozenset(map(stem, names.split()))


def as_object(schema: Any) -> dict[str, Any]:
    """Return a schema as an object: `true` accepts all; `false` (nothing) is left to the final check to refuse."""
    return dict(schema) if isinstance(schema, Mapping) else {}
