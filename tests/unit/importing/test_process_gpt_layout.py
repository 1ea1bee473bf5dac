"""A plan of any shape is drawn: nothing overlaps, every flow begins and ends at its nodes and crosses no other."""

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from importing.process_gpt.layout import Box, Drawing, Point, draw
from importing.process_gpt.plan import Element, Line, Plan

KINDS = st.sampled_from(["userTask", "exclusiveGateway", "endEvent", "serviceTask"])


@st.composite
def plans(draws: st.DrawFn, prefix: str = "n") -> Plan:
    """A start, up to nine nodes that each follow an earlier one, and flows between any two, back ones too."""
    size = draws(st.integers(1, 9))
    elements = [
        Element(f"{prefix}0", "startEvent"),
        *(Element(f"{prefix}{i}", draws(KINDS)) for i in range(1, size + 1)),
    ]
    ends = [(draws(st.integers(0, i - 1)), i) for i in range(1, size + 1)]
    ends += draws(st.lists(st.tuples(st.integers(0, size), st.integers(1, size)), max_size=6, unique=True))
    if prefix == "n" and draws(st.booleans()):
        elements.append(Element("sub", "subProcess", inside=draws(plans("m"))))
        ends.append((0, size + 1))
    return Plan("p", elements, [Line(f"{prefix}f{i}", elements[s].id, elements[t].id) for i, (s, t) in enumerate(ends)])


@settings(max_examples=150, deadline=None)
@given(plans())
def test_nodes_do_not_overlap_and_flows_join_their_nodes(plan: Plan) -> None:
    drawing = draw(plan)
    for one, other in combinations([drawing.boxes[element.id] for element in plan.elements], 2):
        assert not overlap(one, other)
    for line in plan.lines:
        points = drawing.edges[line.id]
        assert on_border(points[0], drawing.boxes[line.source]) and on_border(points[-1], drawing.boxes[line.target])
        assert all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(points))
    check_inside(plan, drawing)


def check_inside(plan: Plan, drawing: Drawing) -> None:
    for element in plan.elements:
        if element.inside is None:
            continue
        outer = drawing.boxes[element.id]
        for box in (drawing.boxes[inner.id] for inner in element.inside.elements):
            assert outer.x <= box.x and box.x + box.width <= outer.x + outer.width
            assert outer.y <= box.y and box.y + box.height <= outer.y + outer.height


@settings(max_examples=150, deadline=None)
@given(plans())
def test_a_flow_ahead_crosses_no_node(plan: Plan) -> None:
    drawing = draw(plan)
    for line in plan.lines:
        points = drawing.edges[line.id]
        if points[-1][0] < points[0][0] or line.source == line.target:
            continue  # leads back, below everything
        others = [drawing.boxes[e.id] for e in plan.elements if e.id not in (line.source, line.target)]
        assert not [box for box in others for leg in pairwise(points) if through(leg, box)]


def overlap(one: Box, other: Box) -> bool:
    apart = one.x + one.width <= other.x or other.x + other.width <= one.x
    return not (apart or one.y + one.height <= other.y or other.y + other.height <= one.y)


def on_border(point: Point, box: Box) -> bool:
    x, y = point
    inside = box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height
    return inside and (x in (box.x, box.x + box.width) or y in (box.y, box.y + box.height))


def through(leg: tuple[Point, Point], box: Box) -> bool:
    (x1, y1), (x2, y2) = leg
    apart = max(x1, x2) <= box.x or min(x1, x2) >= box.x + box.width
    return not (apart or max(y1, y2) <= box.y or min(y1, y2) >= box.y + box.height)
