"""Reads the `zeebe:` extension elements of a BPMN element, as the Camunda Modeler writes them.

Extensions of other vendors are ignored, as the BPMN standard asks; the settings of Camunda 7, which an author may
expect to work, are refused.
"""

from dataclasses import dataclass

from process_engine.reading.vocabulary import BPMN, CAMUNDA_7, ZEEBE
from process_engine.reading.xml_source import Element, Problems, local_name, namespace

_DESCRIBE_ONLY = frozenset({"properties", "versionTag", "userTask"})
"""Elements without an effect here: notes, a label, and the mark that a user task is Zeebe's own kind."""

_REPEATABLE = frozenset({"userTaskForm"})

_INSTEAD = {
    "priorityDefinition": "use a header priority, 1 (lowest) to 5 (highest)",
    "calledElement": "it belongs into a callActivity",
    "calledDecision": "it belongs into a businessRuleTask",
    "script": "it belongs into a scriptTask",
    "loopCharacteristics": "it belongs into bpmn:multiInstanceLoopCharacteristics",
}


@dataclass(frozen=True)
class Extensions:
    """The `zeebe:` settings of one BPMN element.

    `parts` maps the local name of an extension element to the element; `headers` maps the key of a task header to its
    element, which has a non-empty `value`.
    """

    element: Element
    problems: Problems
    parts: dict[str, Element]
    headers: dict[str, Element]

    def attribute(self, part: str, name: str) -> str | None:
        """The value of an attribute of an extension element; None when either is absent or the value is empty."""
        found = self.parts.get(part)
        return None if found is None else found.get(name) or None

    def header(self, key: str) -> str | None:
        """The value of a task header, or None."""
        found = self.headers.get(key)
        return None if found is None else found.get("value")

    @property
    def properties(self) -> dict[str, Element]:
        """The extension properties by name, each an element with a `value`."""
        return {child.get("name", ""): child for child in self.parts.get("properties", ())}

    def complain(self, complaint: str, at: Element | None = None) -> None:
        """Record a problem of the BPMN element; `at` is the setting it is about."""
        self.problems.add(self.element, complaint, at)


def read_extensions(element: Element, allowed: frozenset[str], problems: Problems) -> Extensions:
    """Read the extension elements of `element`, and refuse by name those that are not in `allowed`.

    Args:
        element: a BPMN element.
        allowed: local names of the `zeebe:` elements that have a meaning there.
        problems: where to report the others.
    """
    parts: dict[str, Element] = {}
    for child in element.iterfind(f"{{{BPMN}}}extensionElements/*"):
        name = local_name(child)
        if namespace(child) == CAMUNDA_7:
            problems.add(element, f"has the Camunda 7 setting camunda:{name}; write it as zeebe: (Camunda 8)", at=child)
        elif namespace(child) == ZEEBE and name not in allowed | _DESCRIBE_ONLY:
            instead = _INSTEAD.get(name, "remove it")
            problems.add(element, f"has zeebe:{name}, which is not supported here; {instead}", at=child)
        elif namespace(child) == ZEEBE and name in parts and name not in _REPEATABLE:
            problems.add(element, f"has zeebe:{name} twice", at=child)
        elif namespace(child) == ZEEBE:
            parts[name] = child
    _check_attributes(element, problems)
    return Extensions(element, problems, parts, _read_headers(element, parts.get("taskHeaders"), problems))


def _check_attributes(element: Element, problems: Problems) -> None:
    foreign = [str(name) for name in element.attrib if str(name).startswith(f"{{{CAMUNDA_7}}}")]
    for name in foreign:
        local = name.rpartition("}")[2]
        problems.add(element, f"has the Camunda 7 setting camunda:{local}; write it as zeebe: (Camunda 8)")


def _read_headers(element: Element, holder: Element | None, problems: Problems) -> dict[str, Element]:
    headers: dict[str, Element] = {}
    for header in () if holder is None else holder:
        key = header.get("key")
        if not key:
            problems.add(element, "has a task header without a key", at=header)
        elif key in headers:
            problems.add(element, f"has the task header {key!r} twice", at=header)
        elif not header.get("value"):
            problems.add(element, f"has the task header {key!r} without a value; give it one or delete it", at=header)
        else:
            headers[key] = header
    return headers
