"""Lays a plan out: where each node and flow is drawn. Units are those of BPMN DI, points of about 1/72 inch."""

from dataclasses import dataclass, field
from itertools import pairwise

from importing.process_gpt.layers import Grid, arrange
from importing.process_gpt.plan import GATEWAYS, Element, Line, Plan

_EVENT, _GATEWAY, _TASK = (36, 36), (50, 50), (100, 80)
_COLUMN_GAP, _ROW_GAP, _MARGIN = 60, 40, 40
_BACK_GAP = 20
"""Distance between flows that lead back, below everything else."""

_PASSAGE = 20
"""Height of the place that a flow has in a column it only passes."""

Point = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A rectangle: its left upper corner, width and height."""

    x: int
    y: int
    width: int
    height: int


@dataclass
class Drawing:
    """Where things are: boxes by node id, points by flow id, and the size of the whole."""

    boxes: dict[str, Box] = field(default_factory=dict)
    edges: dict[str, list[Point]] = field(default_factory=dict)
    width: int = 0
    height: int = 0


def draw(plan: Plan) -> Drawing:
    """Lay out a plan and what is in its sub-processes; no two nodes overlap, and no flow crosses a node of its scope
    but where it leads back into its target from below.
    """
    inner = {element.id: draw(element.inside) for element in plan.elements if element.inside is not None}
    sizes = {element.id: _size(element, inner) for element in plan.elements}
    start = next(element.id for element in plan.elements if element.kind == "startEvent")
    grid = arrange([*sizes], [(line.source, line.target) for line in plan.lines], start)
    drawing = Drawing()
    middles = _place(grid, sizes, drawing)
    _draw_edges(plan.lines, grid, middles, drawing)
    for element_id, inside in inner.items():
        _move_into(drawing, drawing.boxes[element_id], inside)
    return drawing


def _size(element: Element, inner: dict[str, Drawing]) -> tuple[int, int]:
    if element.id in inner:
        return inner[element.id].width, inner[element.id].height
    if element.kind in GATEWAYS:
        return _GATEWAY
    return _EVENT if element.kind.endswith("Event") else _TASK


def _place(grid: Grid, sizes: dict[str, tuple[int, int]], drawing: Drawing) -> dict[str, Point]:
    """Give every node its box, and every place of a flow its middle; return the middles."""
    passing = (0, _PASSAGE)
    heights = [sum(sizes.get(node, passing)[1] + _ROW_GAP for node in column) - _ROW_GAP for column in grid.columns]
    tallest, x = max(heights), _MARGIN
    middles: dict[str, Point] = {}
    for column, height in zip(grid.columns, heights, strict=True):
        width = max(sizes.get(node, passing)[0] for node in column)
        y = _MARGIN + (tallest - height) // 2
        for node in column:
            wide, high = sizes.get(node, passing)
            middles[node] = (x + width // 2, y + high // 2)
            if node in sizes:
                drawing.boxes[node] = Box(x + (width - wide) // 2, y, wide, high)
            y += high + _ROW_GAP
        x += width + _COLUMN_GAP
    drawing.width = x - _COLUMN_GAP + _MARGIN
    drawing.height = tallest + 2 * _MARGIN
    return middles


def _draw_edges(lines: list[Line], grid: Grid, middles: dict[str, Point], drawing: Drawing) -> None:
    rights = _right_sides(grid, drawing)
    below = drawing.height - _MARGIN
    for place, line in enumerate(lines):
        if place in grid.backward:
            below += _BACK_GAP
            drawing.edges[line.id] = _back(drawing.boxes[line.source], drawing.boxes[line.target], below)
        else:
            drawing.edges[line.id] = _ahead(grid.paths[place], middles, rights, drawing)
    drawing.height = max(drawing.height, below + _MARGIN)


def _right_sides(grid: Grid, drawing: Drawing) -> dict[str, int]:
    """For each place, the right side of its column."""
    sides: dict[str, int] = {}
    for column in grid.columns:
        right = max(box.x + box.width for node in column if (box := drawing.boxes.get(node)))
        sides |= dict.fromkeys(column, right)
    return sides


def _ahead(path: list[str], middles: dict[str, Point], rights: dict[str, int], drawing: Drawing) -> list[Point]:
    """From the right side of the source to the left side of the target; turns are in the gaps between columns."""
    first, last = drawing.boxes[path[0]], drawing.boxes[path[-1]]
    points = [(first.x + first.width, middles[path[0]][1])]
    for here, there in pairwise(path):
        turn = rights[here] + _COLUMN_GAP // 2
        points += [(turn, middles[here][1]), (turn, middles[there][1])]
    points.append((last.x, middles[path[-1]][1]))
    return _without_detours(points)


def _back(source: Box, target: Box, below: int) -> list[Point]:
    leaves, enters = source.x + source.width // 2, target.x + target.width // 2
    return [(leaves, source.y + source.height), (leaves, below), (enters, below), (enters, target.y + target.height)]


def _without_detours(points: list[Point]) -> list[Point]:
    """Leave out points in the middle of a straight line."""
    kept = [points[0]]
    for here, there in pairwise(points[1:]):
        before = kept[-1]
        straight = before[0] == here[0] == there[0] or before[1] == here[1] == there[1]
        if here != before and not straight:
            kept.append(here)
    return [*kept, points[-1]]


def _move_into(drawing: Drawing, box: Box, inner: Drawing) -> None:
    for node, inside in inner.boxes.items():
        drawing.boxes[node] = Box(inside.x + box.x, inside.y + box.y, inside.width, inside.height)
    for flow, points in inner.edges.items():
        drawing.edges[flow] = [(x + box.x, y + box.y) for x, y in points]
