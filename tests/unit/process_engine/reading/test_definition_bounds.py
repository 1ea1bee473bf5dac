"""A file may be of any size and shape: it is refused with a reason, and nothing walks through it before."""

import pytest
from bpmn_writing import bpmn, process, scope

from process_engine.reading.bounds import DEEPEST_NESTING, MOST_ELEMENTS
from process_engine.reading.definition import parse
from process_engine.reading.xml_source import MOST_PROBLEMS
from process_engine.values.errors import DefinitionInvalid, Problem


def problems_of(xml: bytes) -> list[Problem]:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(xml)
    return caught.value.problems


def nested(levels: int) -> bytes:
    content = scope("startEvent s, endEvent e", "s -> e")
    for level in range(levels):
        inner = f'<bpmn:subProcess id="sub{level}">{content}</bpmn:subProcess>'
        content = scope(f"startEvent s{level}, endEvent e{level}", f"s{level} -> sub{level} -> e{level}") + inner
    return process(content)


def test_sub_processes_may_be_inside_each_other_up_to_a_depth() -> None:
    assert parse(nested(DEEPEST_NESTING)).id == "p"
    (problem,) = problems_of(nested(DEEPEST_NESTING + 1))
    assert "is inside more than 30 sub-processes; call a process of its own instead" in problem.message


def test_xml_that_is_nested_too_deep_is_no_xml_for_us() -> None:
    deep = "<bpmn:extensionElements>" * 300 + "</bpmn:extensionElements>" * 300
    (problem,) = problems_of(bpmn(deep))
    assert problem.message.startswith("not XML: ")
    assert "depth" in problem.message


def test_a_process_with_too_many_elements_is_refused() -> None:
    (problem,) = problems_of(process('<bpmn:task id="t"/>' * (MOST_ELEMENTS + 1)))
    assert (problem.element_id, problem.line) == ("p", 2)
    assert "has more than 20000 elements; divide it and use call activities" in problem.message


def test_the_problems_of_a_file_are_bounded_and_short() -> None:
    long_id = "x" * 10_000
    found = problems_of(process("".join(f'<bpmn:mystery id="{long_id}{n}"/>' for n in range(400))))
    assert len(found) == MOST_PROBLEMS
    assert max(len(problem.message) for problem in found) <= 1000
    assert max(len(problem.element_id or "") for problem in found) <= 100


@pytest.mark.parametrize("bad", ["a b", "a#each", "a/b", "a@1", "", "é" * 256])
def test_an_id_that_cannot_be_a_key_is_refused(bad: str) -> None:
    content = scope("startEvent s, userTask a, endEvent e", "s -> a -> e").replace('"a"', f'"{bad}"')
    assert any("id" in problem.message for problem in problems_of(process(content)))


@pytest.mark.parametrize("good", ["_1", "Aktivität-1", "a.b", "사용자", "é" * 255])
def test_ids_of_any_script_run(good: str) -> None:
    content = scope("startEvent s, userTask a, endEvent e", "s -> a -> e").replace('"a"', f'"{good}"')
    assert good in parse(process(content)).spec["work"]


@pytest.mark.parametrize(
    "expression",
    ["(" * 9_000, "[" * 9_000, "!" * 9_000 + "x", "a" + ".b" * 4_900, "x + " * 2_400 + "x", "x?x:" * 2_400 + "x"],
)
def test_an_expression_of_any_shape_is_compiled_or_refused(expression: str) -> None:
    content = scope("startEvent s, exclusiveGateway g, endEvent e", f"s -> g, g -> e [{expression}]")
    try:
        parse(process(content))
    except DefinitionInvalid as refused:
        assert refused.problems[0].element_id == "g_e"
