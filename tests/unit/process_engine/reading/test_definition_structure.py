"""What a graph must obey: one start, flows that lead somewhere, choices that are clear, conditions that compile."""

import pytest
from bpmn_writing import process, scope

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, Problem


def problems_of(content: str) -> list[Problem]:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(process(content))
    return caught.value.problems


def only_problem(content: str) -> Problem:
    (problem,) = problems_of(content)
    return problem


def test_a_process_needs_a_start_event() -> None:
    assert only_problem(scope("userTask a, endEvent e", "a -> e")) == Problem(
        "p", 2, "process 'p' (line 2) has no start event; add one"
    )


def test_a_sub_process_needs_a_start_event() -> None:
    content = scope("startEvent s, subProcess sub, endEvent e", "s -> sub -> e", {"sub": "<bpmn:task id='t'/>"})
    assert only_problem(content).message == "subProcess 'sub' (line 4) has no start event; add one"


def test_a_second_start_event_is_refused() -> None:
    problem = only_problem(scope("startEvent s t, endEvent e", "s -> e, t -> e"))
    assert problem.element_id == "t"
    assert (
        "is a second start event beside startEvent 's' (line 3); only one without a trigger is supported"
        in problem.message
    )


def test_what_no_token_can_reach_is_reported() -> None:
    found = problems_of(scope("startEvent s, userTask a b c, endEvent e", "s -> a -> e, b -> c -> b"))
    assert [(problem.element_id, problem.line) for problem in found] == [("b", 5), ("c", 6)]
    assert "cannot be reached from the start event; connect it or delete it" in found[0].message


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ('sourceRef="a"', "has no targetRef: connect it or delete it"),
        ('targetRef="a"', "has no sourceRef: connect it or delete it"),
        ('sourceRef="a" targetRef="gone"', "has the target 'gone', which does not exist"),
        ('sourceRef="gone" targetRef="a"', "has the source 'gone', which does not exist"),
        ('sourceRef="a" targetRef="data"', "has the target 'data', which does not exist or cannot have sequence flows"),
        ('sourceRef="a" targetRef="in_e"', "has the target 'in_e', which is not in the same process or sub-process"),
        ('sourceRef="a" targetRef="s"', "leads into the start event 's'"),
        ('sourceRef="e" targetRef="a"', "leaves the end event 'e'"),
    ],
)
def test_a_flow_must_connect_two_nodes_of_the_same_scope(attributes: str, complaint: str) -> None:
    inner = scope("startEvent in_s, endEvent in_e", "in_s -> in_e").replace("\n", "")
    content = scope("startEvent s, userTask a, subProcess sub, endEvent e", "s -> a -> sub -> e", {"sub": inner})
    problem = only_problem(f'{content}\n<bpmn:dataObject id="data"/>\n<bpmn:sequenceFlow id="f" {attributes}/>')
    assert (problem.element_id, problem.line) == ("f", 11)
    assert complaint in problem.message


def test_ids_are_needed_and_must_differ() -> None:
    content = scope("startEvent s, userTask a, endEvent e", "s -> a -> e")
    found = problems_of(f'{content}\n<bpmn:userTask id="a"/>\n<bpmn:userTask/>\n<bpmn:sequenceFlow sourceRef="a"/>')
    assert [problem.message for problem in found] == [
        "userTask 'a' (line 8) has an id that line 4 uses already",
        "userTask without an id (line 9) needs an id",
        "sequenceFlow without an id (line 10) needs an id",
    ]


def test_a_process_needs_an_id() -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(process(scope("startEvent s, endEvent e", "s -> e"), 'isExecutable="true"'))
    assert [problem.message for problem in caught.value.problems] == ["process without an id (line 2) needs an id"]


@pytest.mark.parametrize("kind", ["exclusiveGateway", "inclusiveGateway"])
def test_a_flow_of_a_choice_needs_a_condition_or_to_be_the_default(kind: str) -> None:
    problem = only_problem(
        scope(f"startEvent s, {kind} x, endEvent e f g", "s -> x, x -> e [true], x -> f, x -> g [default]")
    )
    assert problem.element_id == "x_f"
    assert "leaves the gateway 'x' without a condition; add one or make it the default flow" in problem.message


@pytest.mark.parametrize("kind", ["exclusiveGateway", "inclusiveGateway"])
def test_a_choice_without_a_default_is_allowed(kind: str) -> None:
    parse(process(scope(f"startEvent s, {kind} x, endEvent e f", "s -> x, x -> e [n > 1], x -> f [n < 2]")))


def test_a_gateway_that_only_merges_needs_no_condition() -> None:
    parse(process(scope("startEvent s, exclusiveGateway x, endEvent e", "s -> x -> e")))


def test_a_default_must_be_a_flow_of_its_gateway() -> None:
    content = scope("startEvent s, exclusiveGateway x, endEvent e", "s -> x -> e")
    problem = only_problem(content.replace('id="x"', 'id="x" default="s_x"'))
    assert problem.element_id == "x"
    assert "has the default 's_x', which is not a flow that leaves it" in problem.message


def test_a_condition_on_the_default_flow_is_refused() -> None:
    content = scope("startEvent s, exclusiveGateway x, endEvent e f", "s -> x, x -> e [n > 1], x -> f [n < 2]")
    problem = only_problem(content.replace('id="x"', 'id="x" default="x_f"'))
    assert problem.element_id == "x_f"
    assert "is the default of 'x': its condition never counts, remove it" in problem.message


@pytest.mark.parametrize(("kind", "node_id"), [("userTask", "a"), ("parallelGateway", "a"), ("startEvent", "s")])
def test_a_condition_belongs_to_a_choosing_gateway(kind: str, node_id: str) -> None:
    nodes = "startEvent s, endEvent e" if kind == "startEvent" else f"startEvent s, {kind} a, endEvent e"
    flows = "s -> e [n > 1]" if kind == "startEvent" else "s -> a, a -> e [n > 1]"
    problem = only_problem(scope(nodes, flows))
    assert problem.element_id == f"{node_id}_e"
    assert f"has a condition but leaves the {kind} '{node_id}'; put an exclusive gateway between" in problem.message


@pytest.mark.parametrize("kind", ["parallelGateway", "inclusiveGateway"])
def test_a_join_needs_one_flow_per_source(kind: str) -> None:
    second = '<bpmn:sequenceFlow id="again" sourceRef="s" targetRef="j"/>'
    problem = only_problem(scope(f"startEvent s, {kind} j, endEvent e", "s -> j -> e") + second)
    assert problem.element_id == "j"
    assert "is reached from 's' by 2 flows; a join needs one per source" in problem.message


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ('= category = "problem"', "syntax error at character 10"),
        ('= category = "problem"', "a single `=` does not compare here, write `==`"),
        ("", "the expression is empty"),
        ("__import__('os').system('true')", "unknown function"),
        ("amount > 1 and urgent", "write `&&` for and"),
    ],
)
def test_a_condition_that_does_not_compile_is_reported_with_its_line(condition: str, complaint: str) -> None:
    content = scope("startEvent s, exclusiveGateway x, endEvent e f", "s -> x, x -> f [default]")
    flow = f"""<bpmn:sequenceFlow id="bad" sourceRef="x" targetRef="e">
        <bpmn:conditionExpression>{condition}</bpmn:conditionExpression></bpmn:sequenceFlow>"""
    problem = only_problem(f"{content}\n{flow}")
    assert (problem.element_id, problem.line) == ("bad", 10)
    assert "sequenceFlow 'bad' (line 9) has a condition that cannot be run: " in problem.message
    assert complaint in problem.message


def test_a_condition_in_another_language_is_refused() -> None:
    content = scope("startEvent s, exclusiveGateway x, endEvent e f", "s -> x, x -> e [true], x -> f [default]")
    problem = only_problem(
        content.replace("<bpmn:conditionExpression>", '<bpmn:conditionExpression language="groovy">')
    )
    assert "cannot be run: it is in the language 'groovy'; conditions are CEL" in problem.message


def test_ids_that_the_library_uses_itself_are_free_for_authors() -> None:
    parse(
        process(scope("startEvent Start, userTask Root p.EndJoin, endEvent End", "Start -> Root -> p.EndJoin -> End"))
    )
