"""Random block-structured processes, completed in random orders, activate every task exactly as often as they must."""

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import count, pairwise

from bpmn_writing import Run, process, scope
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Shape = tuple[str, tuple]


@st.composite
def shapes(draw: st.DrawFn, depth: int = 3) -> Shape:
    kind = draw(st.sampled_from(["task", "task", "sequence", "parallel", "inclusive", "exclusive", "loop", "sub"]))
    if depth == 0 or kind == "task":
        return ("task", ())
    if kind in {"loop", "sub"}:
        return (kind, (draw(shapes(depth - 1)), draw(st.integers(1, 3))))
    branches = draw(st.lists(shapes(depth - 1), min_size=2, max_size=3))
    chosen = draw(st.sets(st.integers(0, len(branches) - 1)))
    return (kind, (branches, chosen))


@dataclass
class Drawing:
    """Turns a shape into nodes and flows, and knows how often each task must be activated."""

    nodes: list[str] = field(default_factory=list)
    flows: list[str] = field(default_factory=list)
    inner: dict[str, str] = field(default_factory=dict)
    expected: Counter[str] = field(default_factory=Counter)
    loops: dict[str, int] = field(default_factory=dict)
    numbers: "count[int]" = field(default_factory=count)

    def new(self, kind: str) -> str:
        node_id = f"n{next(self.numbers)}"
        self.nodes.append(f"{kind} {node_id}")
        return node_id

    def flow(self, source: str, target: str, condition: str = "") -> None:
        self.flows.append(f"{source} -> {target}" + (f" [{condition}]" if condition else ""))

    def draw(self, shape: Shape, times: int) -> tuple[str, str]:
        """Draw a block that is entered `times` times; returns its first and last node."""
        kind, parts = shape
        return getattr(self, f"_{kind}")(times, *parts)

    def _task(self, times: int) -> tuple[str, str]:
        node_id = self.new("serviceTask")
        if times:
            self.expected[node_id] = times
        return node_id, node_id

    def _sequence(self, times: int, branches: list[Shape], _chosen: set[int]) -> tuple[str, str]:
        blocks = [self.draw(branch, times) for branch in branches]
        for (_, last), (first, _) in pairwise(blocks):
            self.flow(last, first)
        return blocks[0][0], blocks[-1][1]

    def _block(self, gateway: str, branches: list[Shape], conditions: list[str], counts: list[int]) -> tuple[str, str]:
        split, join = self.new(gateway), self.new(gateway)
        for branch, condition, times in zip(branches, conditions, counts, strict=True):
            first, last = self.draw(branch, times)
            self.flow(split, first, condition)
            self.flow(last, join)
        return split, join

    def _parallel(self, times: int, branches: list[Shape], _chosen: set[int]) -> tuple[str, str]:
        return self._block("parallelGateway", branches, [""] * len(branches), [times] * len(branches))

    def _inclusive(self, times: int, branches: list[Shape], chosen: set[int]) -> tuple[str, str]:
        taken = chosen or {len(branches) - 1}
        conditions = [str(index in chosen).lower() for index in range(len(branches))]
        if not chosen:
            conditions[-1] = "default"
        return self._block(
            "inclusiveGateway", branches, conditions, [times if index in taken else 0 for index in range(len(branches))]
        )

    def _exclusive(self, times: int, branches: list[Shape], chosen: set[int]) -> tuple[str, str]:
        taken = min(chosen, default=len(branches) - 1)
        conditions = [str(index in chosen).lower() for index in range(len(branches))]
        if not chosen:
            conditions[-1] = "default"
        return self._block(
            "exclusiveGateway", branches, conditions, [times if index == taken else 0 for index in range(len(branches))]
        )

    def _loop(self, times: int, body: Shape, rounds: int) -> tuple[str, str]:
        first, last = self.draw(body, times * rounds)
        enter, leave, counter = self.new("exclusiveGateway"), self.new("exclusiveGateway"), self.new("serviceTask")
        if times:
            self.expected[counter] = times * rounds
        self.loops[counter] = rounds
        self.flow(enter, first)
        self.flow(last, counter)
        self.flow(counter, leave)
        self.flow(leave, enter, f"{counter} % {rounds} != 0")
        after = self.new("task")
        self.flow(leave, after, "default")
        return enter, after

    def _sub(self, times: int, body: Shape, _rounds: int) -> tuple[str, str]:
        inside = Drawing(expected=self.expected, loops=self.loops, numbers=self.numbers)
        first, last = inside.draw(body, times)
        node_id = self.new("subProcess")
        self.inner[node_id] = inside.framed(first, last)
        return node_id, node_id

    def framed(self, first: str, last: str) -> str:
        start, end = self.new("startEvent"), self.new("endEvent")
        self.flow(start, first)
        self.flow(last, end)
        return scope(", ".join(self.nodes), ", ".join(self.flows), self.inner)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes(), st.integers(0, 2**32))
def test_every_block_ends_and_activates_its_tasks_exactly_as_often_as_it_must(shape: Shape, seed: int) -> None:
    drawing = Drawing()
    model = process(drawing.framed(*drawing.draw(shape, 1)))
    run, order = Run(model), random.Random(seed)
    for _ in range(sum(drawing.expected.values())):
        task = order.choice(run.tasks)
        output = {task.activity_id: task.iteration} if task.activity_id in drawing.loops else {}
        run.complete(task, output)
    assert run.ended
    assert Counter(run.trace) == drawing.expected


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from("abcd")), st.permutations("abcd"), st.permutations("abcd"))
def test_an_inclusive_block_fires_once_for_any_choice_and_any_order(
    chosen: set[str], first_order: list[str], second_order: list[str]
) -> None:
    conditions = [f"split -> {activity} ['{activity}' in chosen]" for activity in "abc"]
    flows = ["s -> split", *conditions, "split -> d [default]", *(f"{activity} -> join" for activity in "abcd")]
    flows += ["join -> after -> more", "more -> split [again]", "more -> e [default]"]
    nodes = "startEvent s, inclusiveGateway split join, userTask a b c d after, exclusiveGateway more, endEvent e"
    model = process(scope(nodes, ", ".join(flows)))
    run = Run(model, chosen=sorted(chosen), again=True)
    expected = (chosen - {"d"}) or {"d"}
    for order in (first_order, second_order):
        assert set(run.open) == expected
        for activity in [activity for activity in order if activity in expected]:
            assert "after" not in run.open
            run.do(activity)
        assert run.open == ["after"]
        run.do("after", again=order is first_order)
    assert run.ended
