"""How large a process may be, and what its ids may look like: checked before anything walks through it."""

import re

from process_engine.reading.xml_source import Element, Problems, bpmn_children, local_name
from process_engine.values.errors import DefinitionInvalid

MOST_ELEMENTS = 20_000
"""BPMN elements of one process; each step builds what it needs of all of them."""

DEEPEST_NESTING = 30
"""Sub-processes inside each other."""

LONGEST_ID = 255
"""Characters; ids are part of keys in the database."""

_ID = re.compile(r"[\w.\-:]+")


def check_bounds(process: Element, problems: Problems) -> None:
    """Report ids that cannot be used and a process that is too large.

    Raises:
        DefinitionInvalid: it is nested too deep or has too many elements; nothing else should look at it then.
    """
    frontier = [(process, 0)]
    elements = 0
    while frontier:
        element, depth = frontier.pop()
        elements += 1
        _check_id(element, problems)
        if depth > DEEPEST_NESTING or elements > MOST_ELEMENTS:
            _refuse(process, element, depth, problems)
        inside = depth + (local_name(element) in _NESTING)
        frontier.extend((child, inside) for child in bpmn_children(element))


_NESTING = frozenset({"subProcess", "transaction", "adHocSubProcess"})


def _check_id(element: Element, problems: Problems) -> None:
    element_id = element.get("id")
    if element_id is not None and not (_ID.fullmatch(element_id) and len(element_id) <= LONGEST_ID):
        what = f"has an id that is not at most {LONGEST_ID} letters, digits, `_`, `-`, `.` and `:`"
        problems.add(element, what)


def _refuse(process: Element, element: Element, depth: int, problems: Problems) -> None:
    if depth > DEEPEST_NESTING:
        problems.add(element, f"is inside more than {DEEPEST_NESTING} sub-processes; call a process of its own instead")
    else:
        problems.add(process, f"has more than {MOST_ELEMENTS} elements; divide it and use call activities")
    raise DefinitionInvalid(problems.found)
