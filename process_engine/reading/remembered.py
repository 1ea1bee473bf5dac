"""What is remembered while a definition is read and checked, and not kept after that."""

from dataclasses import dataclass, field

from process_engine.reading.xml_source import Element, Problems

NOT_SUPPORTED = "is not supported yet by this version"


@dataclass
class Reading:
    """A graph with what only matters while a definition is checked.

    `elements` maps each id of the process to its XML element; `refused` holds the ids of flow nodes that were refused,
    so that checks of the flows around them do not complain about the gap they leave; `start_refused_in` holds the ids
    of the scopes whose start event is one of them.
    """

    problems: Problems
    elements: dict[str, Element] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    start_refused_in: set[str | None] = field(default_factory=set)
