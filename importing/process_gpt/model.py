"""A process definition of Process GPT, in one shape whichever of its shapes the file has."""

from dataclasses import dataclass, field
from typing import Any

from kernel.errors import FleetError

Json = dict[str, Any]


class ImportRefused(FleetError):
    """A file that cannot be imported. The message names the part at fault, `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class Flow:
    """A sequence. `priority` counts among the true branches of an exclusive gateway, the lowest first.

    `function` is the Python text of a condition, `words` a condition in words; "" where there is none.
    """

    id: str
    source: str
    target: str
    name: str
    function: str
    words: str
    is_default: bool
    priority: float


@dataclass
class Node:
    """An activity, gateway, event or sub-process. `kind` is the BPMN element name, such as userTask.

    `raw` is its JSON object and `properties` the JSON object in its `properties`. `inside` is the content of a
    sub-process. `attached_to` is the activity at whose border a boundary event sits.
    """

    id: str
    kind: str
    name: str
    raw: Json
    properties: Json
    inside: "Scope | None" = None
    attached_to: str = ""

    def text(self, key: str) -> str:
        """A text of the element, from its object or else its properties; "" where there is none."""
        for holder in (self.raw, self.properties):
            value = holder.get(key)
            if isinstance(value, str) and value.strip():
                return value.strip()
        return ""

    def texts(self, key: str) -> list[str]:
        """A list of texts of the element, likewise."""
        for holder in (self.raw, self.properties):
            value = holder.get(key)
            if isinstance(value, list) and value:
                return [item.strip() for item in value if isinstance(item, str) and item.strip()]
        return []


@dataclass
class Scope:
    """What a process or sub-process holds, in the order of the file."""

    id: str
    nodes: dict[str, Node] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)


@dataclass(frozen=True)
class Role:
    """A role: its name and whom it names (users, agents, e-mail addresses)."""

    name: str
    holders: list[str]
    rule: str


@dataclass(frozen=True)
class GptDefinition:
    """A definition with the forms that came with it. `raw` is the whole JSON object, for what no other part reads."""

    id: str
    name: str
    description: str
    roles: dict[str, Role]
    scope: Scope
    forms: dict[str, list[Json]]
    raw: Json
