"""Terminate end events and links (BPMN 2.0.2, 10.5.3 and 10.5.4)."""

import pytest
from bpmn_writing import Run, scope
from event_writing import TERMINATE, boundary, file, timer

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid

SPLIT = "s -> g, g -> x -> t, g -> y -> e"


def link(name: str) -> str:
    return f'<bpmn:linkEventDefinition name="{name}"/>'


def test_terminate_ends_the_process_with_all_that_is_open() -> None:
    run = Run(file(scope("startEvent s, parallelGateway g, userTask x y, endEvent t e", SPLIT, {"t": TERMINATE})))
    assert sorted(run.open) == ["x", "y"]
    assert run.do("x").ended


def test_terminate_leaves_nothing_waiting() -> None:
    model = scope("startEvent s, parallelGateway g, userTask x y, endEvent t e", SPLIT + ", b -> e", {"t": TERMINATE})
    run = Run(file(model, boundary("b", "y", timer())))
    assert run.waiting == ["b"]
    assert run.do("x").ended


def test_terminate_in_a_sub_process_ends_that_and_the_process_goes_on() -> None:
    inside = scope(
        "startEvent is, parallelGateway g, userTask x y, endEvent t ie",
        "is -> g, g -> x -> t, g -> y -> ie",
        {"t": TERMINATE},
    )
    model = scope("startEvent s, subProcess sub, userTask after, endEvent e", "s -> sub -> after -> e", {"sub": inside})
    assert Run(file(model)).do("x").open == ["after"]


def test_an_end_without_terminate_waits_for_the_others() -> None:
    run = Run(file(scope("startEvent s, parallelGateway g, userTask x y, endEvent t e", SPLIT)))
    assert run.do("x").open == ["y"]
    assert run.do("y").ended


def test_links_jump_within_their_scope() -> None:
    model = scope(
        "startEvent s, exclusiveGateway x, userTask a b, intermediateThrowEvent out1 out2, intermediateCatchEvent into,"
        "endEvent e",
        "s -> x, x -> a [n == 1], x -> out2 [default], a -> out1, into -> b -> e",
        {"out1": link("L"), "out2": link("L"), "into": link("L")},
    )
    assert Run(file(model), n=1).do("a").open == ["b"]
    assert Run(file(model), n=2).open == ["b"]


@pytest.mark.parametrize(
    ("out", "into", "complaint"),
    [
        ("L", "M", "has the link 'L', which no catching link of this scope has"),
        ("", "M", "is a link without a name"),
    ],
)
def test_links_that_lead_nowhere_are_refused(out: str, into: str, complaint: str) -> None:
    model = scope(
        "startEvent s, intermediateThrowEvent o, intermediateCatchEvent i, endEvent e",
        "s -> o, i -> e",
        {"o": link(out), "i": link(into)},
    )
    with pytest.raises(DefinitionInvalid, match=complaint):
        parse(file(model))


def test_an_intermediate_event_without_a_trigger_is_passed_through() -> None:
    assert Run(
        file(scope("startEvent s, intermediateThrowEvent t, userTask a, endEvent e", "s -> t -> a -> e"))
    ).open == ["a"]
