"""Reads XML that a stranger may have written, and finds the one process in it that can be run."""

from collections.abc import Iterator, Mapping
from typing import NoReturn, Protocol, Self, overload

from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # lxml comes without type information

from process_engine.reading.vocabulary import BPMN, NOT_EXECUTED_IN_FILE
from process_engine.values.errors import DefinitionInvalid, Problem

LARGEST_FILE = 5_000_000
"""Bytes."""

MOST_PROBLEMS = 200
"""Problems that are reported of one file; whoever has mended these sees the next."""

_LONGEST_MESSAGE, _LONGEST_ID = 1_000, 100


class Element(Protocol):
    """What this package uses of lxml.etree.Element."""

    tag: str
    text: str | None
    sourceline: int
    attrib: Mapping[str, str]

    @overload
    def get(self, name: str) -> str | None: ...

    @overload
    def get(self, name: str, default: str) -> str: ...

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of an attribute."""
        ...

    def find(self, path: str) -> Self | None:
        """The first descendant on an ElementPath."""
        ...

    def iterfind(self, path: str) -> Iterator[Self]:
        """All descendants on an ElementPath."""
        ...

    def itertext(self) -> Iterator[str]:
        """All text inside."""
        ...

    def getparent(self) -> Self | None:
        """The element around it."""
        ...

    def __iter__(self) -> Iterator[Self]: ...


class Problems:
    """Collects what is wrong, so that an author sees all of it at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, element: Element, complaint: str, at: Element | None = None) -> None:
        """Record a problem of a BPMN element.

        Args:
            element: the element at fault; its kind, id and line begin the message.
            complaint: goes on from there: "has no name".
            at: the place in the file when it is not the element itself, such as one of its settings.
        """
        line = (element if at is None else at).sourceline
        element_id = (element.get("id") or "")[:_LONGEST_ID] or None
        if len(self.found) < MOST_PROBLEMS:
            self.found.append(Problem(element_id, line, f"{label(element)} {complaint}"[:_LONGEST_MESSAGE]))


def label(element: Element) -> str:
    """How messages call an element: `callActivity 'ship' (line 12)`."""
    name = repr(element.get("id", "")[:_LONGEST_ID]) if element.get("id") else "without an id"
    return f"{local_name(element)} {name} (line {element.sourceline})"


def local_name(element: Element) -> str:
    """The tag without its namespace."""
    return etree.QName(element).localname


def namespace(element: Element) -> str | None:
    """The namespace of the tag."""
    return etree.QName(element).namespace


def bpmn_children(element: Element) -> Iterator[Element]:
    """The children of an element that are in the BPMN namespace; all others are extensions or drawing."""
    return (child for child in element if namespace(child) == BPMN)


def read_definitions(xml: bytes) -> Element:
    """Parse a BPMN file into its root element `definitions`.

    Raises:
        DefinitionInvalid: as in `read_xml`, or not BPMN 2.0.
    """
    root = read_xml(xml)
    if root.tag != f"{{{BPMN}}}definitions":
        _refuse(root.sourceline, f"the root element is {root.tag}; BPMN 2.0 has {{{BPMN}}}definitions")
    return root


def read_xml(xml: bytes) -> Element:
    """Parse an XML file into its root element.

    Entities, DTDs, network access and nesting deeper than 256 levels are off.

    Raises:
        DefinitionInvalid: larger than 5 MB, not XML, or with a DOCTYPE.
    """
    if len(xml) > LARGEST_FILE:
        _refuse(None, f"the file has {len(xml)} bytes; at most {LARGEST_FILE} (5 MB) are allowed")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        raise DefinitionInvalid([Problem(None, error.lineno, f"not XML: {error}")]) from error
    if root.getroottree().docinfo.doctype:
        _refuse(1, "the file has a DOCTYPE; it needs none, remove it")
    return root


def as_text(xml: bytes) -> str:
    """A file that `read_definitions` accepted, as text: decoded as it declares, without the XML declaration."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.tostring(etree.fromstring(xml, parser).getroottree(), encoding="unicode")


def executable_process(root: Element, problems: Problems, wanted: str | None = None) -> Element:
    """The process of a file that is to run; the others in it (other pools) must not take part in running it.

    That is the process with the id `wanted`; else the only one with isExecutable="true"; else, as many tools leave the
    attribute out, the only one that does not say isExecutable="false".

    Raises:
        DefinitionInvalid: there is none, or more than one: there is nothing to look at further.
    """
    for child in bpmn_children(root):
        if local_name(child) not in NOT_EXECUTED_IN_FILE | {"process", "collaboration"}:
            problems.add(child, "is not supported yet by this version")
    processes = [child for child in bpmn_children(root) if local_name(child) == "process"]
    if wanted is not None:
        chosen = [process for process in processes if process.get("id") == wanted]
    else:
        chosen = [process for process in processes if process.get("isExecutable") in ("true", "1")]
        chosen = chosen or [process for process in processes if process.get("isExecutable") is None]
    if len(chosen) == 1:
        return chosen[0]
    _report_no_process(root, processes, chosen, wanted, problems)
    raise DefinitionInvalid(problems.found)


def process_ids(xml: bytes) -> list[str]:
    """The ids of all processes of a BPMN file; none where it is not one (reading it says why)."""
    try:
        root = read_definitions(xml)
    except DefinitionInvalid:
        return []
    return [child.get("id", "") for child in bpmn_children(root) if local_name(child) == "process"]


def _report_no_process(
    root: Element, processes: list[Element], chosen: list[Element], wanted: str | None, problems: Problems
) -> None:
    ids = ", ".join(process.get("id", "") for process in processes)
    for process in chosen:
        what = f"is one of {len(chosen)} executable processes ({ids})"
        problems.add(process, f"{what}; say which is to be deployed, by its id (process=...), one after the other")
    if not processes:
        problems.add(root, 'holds no process: add one with isExecutable="true"')
    elif wanted is not None and not chosen:
        problems.add(root, f"holds no process {wanted!r}; it holds {ids}")
    elif not chosen:
        for process in processes:
            problems.add(process, 'is not executable: write isExecutable="true", or name it (process=...)')


def _refuse(line: int | None, message: str) -> NoReturn:
    raise DefinitionInvalid([Problem(None, line, message)])
