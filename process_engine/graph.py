"""A process as a graph of nodes and flows, in plain JSON: the part of a stored definition that says where tokens go.

The graph is ours and not SpiffWorkflow's serialisation, so a definition that was deployed years ago still runs after
the library changed its format.
"""

from typing import NotRequired, TypedDict


class Flow(TypedDict):
    """A sequence flow. `condition` is CEL, or None."""

    id: str
    source: str
    target: str
    condition: str | None


class Node(TypedDict):
    """An event, activity or gateway.

    `kind` is the BPMN element name, such as "userTask". `default` is the id of the default flow of a gateway. `inside`
    is the content of a subProcess.
    """

    id: str
    kind: str
    default: NotRequired[str]
    inside: NotRequired["Scope"]


class Scope(TypedDict):
    """A process or sub-process: what its tokens can visit, in the order of the file. `id` is that of its element."""

    id: str
    nodes: list[Node]
    flows: list[Flow]
