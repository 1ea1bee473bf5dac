"""How data moves: variables in, instruction and assignment evaluated, outputs back into the variables."""

from html import escape
from typing import Any

import pytest
from bpmn_writing import WORKER, Run, extensions, process, scope

from process_engine.reading.definition import parse
from process_engine.running.steps import start
from process_engine.values.errors import StepFailed


def two_tasks(settings: str) -> bytes:
    """start -> a -> b -> end, with settings on a."""
    model = scope("startEvent s, serviceTask a b, endEvent e", "s -> a -> b -> e", {"a": extensions(WORKER + settings)})
    return process(model)


def mapping(*lines: tuple[str, str, str]) -> str:
    inside = "".join(f'<zeebe:{kind} source="{escape(source)}" target="{target}"/>' for kind, source, target in lines)
    return f"<zeebe:ioMapping>{inside}</zeebe:ioMapping>"


def header(key: str, value: str) -> str:
    return f'<zeebe:taskHeaders><zeebe:header key="{key}" value="{escape(value)}"/></zeebe:taskHeaders>'


def test_without_mappings_a_task_sees_all_variables_and_all_its_output_becomes_variables() -> None:
    run = Run(two_tasks(""), 이름="김", n=1)
    assert run.task("a").input == {"이름": "김", "n": 1}
    run.do("a", n=2, 결과={"점수": [1.5, None, True]})
    assert run.variables == {"이름": "김", "n": 2, "결과": {"점수": [1.5, None, True]}}
    assert run.task("b").input == run.variables


def test_with_input_mappings_a_task_sees_exactly_their_targets() -> None:
    settings = mapping(
        ("input", '= vars["이름"] + "님"', "받는이.이름"), ("input", "n * 2", "받는이.수"), ("input", "[n]", "list")
    )
    run = Run(two_tasks(settings), 이름="김", n=1, secret="x")
    assert run.task("a").input == {"받는이": {"이름": "김님", "수": 2}, "list": [1]}


def test_with_output_mappings_only_their_targets_become_variables() -> None:
    settings = mapping(("output", "= answer + n", "total"), ("output", "=answer", "order.sums.first"))
    run = Run(two_tasks(settings), n=1, order={"id": 7}).do("a", answer=41, noise="x")
    assert run.variables == {"n": 1, "total": 42, "order": {"id": 7, "sums": {"first": 41}}}


def test_an_output_mapping_sees_the_output_over_the_variables() -> None:
    run = Run(two_tasks(mapping(("output", "= n", "seen"))), n="variable").do("a", n="output")
    assert run.variables == {"n": "variable", "seen": "output"}


def test_a_dotted_target_makes_the_objects_on_its_way_and_null_counts_as_absent() -> None:
    run = Run(two_tasks(mapping(("output", "= 1", "a.b.c"), ("output", "= 2", "n.x"))), n=None).do("a")
    assert run.variables == {"a": {"b": {"c": 1}}, "n": {"x": 2}}


def test_a_dotted_target_inside_a_text_fails_the_step_and_changes_nothing() -> None:
    run = Run(two_tasks(mapping(("output", "= 1", "n.x"))), n="text")
    with pytest.raises(StepFailed) as caught:
        run.do("a")
    assert caught.value.element_id == "a"
    assert caught.value.message == "the mapping to 'n.x' failed: 'n' is a str and cannot hold fields"
    assert run.open == ["a"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (mapping(("input", "= missing", "x")), "the mapping to 'x' failed: `missing`: Undefined variable"),
        (mapping(("input", "= 1", "x"), ("input", "= 2", "x.y")), "the mapping to 'x.y' failed: 'x' is a int"),
        (header("instruction", "= 'Hi ' + missing"), "instruction cannot be evaluated: "),
        (header("instruction", "= n + 1"), "instruction must be text; its expression gives 2"),
        ('<zeebe:assignmentDefinition assignee="= n"/>', "assignee must be text or null; its expression gives 1"),
        ('<zeebe:assignmentDefinition assignee="= missing"/>', "assignee cannot be evaluated: "),
        ('<zeebe:assignmentDefinition candidateGroups="= n"/>', "candidateGroups must be text with commas, or a list"),
        (
            '<zeebe:assignmentDefinition candidateGroups="= [n]"/>',
            "candidateGroups must be text with commas, or a list",
        ),
    ],
)
def test_a_task_that_cannot_open_fails_the_step_with_its_name(settings: str, message: str) -> None:
    with pytest.raises(StepFailed) as caught:
        Run(two_tasks(settings), n=1)
    assert caught.value.element_id == "a"
    assert message in caught.value.message


def test_an_output_mapping_that_cannot_be_evaluated_fails_the_step() -> None:
    run = Run(two_tasks(mapping(("output", "= answer", "x"))))
    with pytest.raises(StepFailed, match=r"a: the mapping to 'x' failed: `answer`: Undefined variable"):
        run.do("a", other=1)


def test_an_instruction_is_literal_unless_it_starts_with_an_equals_sign() -> None:
    assert Run(two_tasks(header("instruction", "Add {n} + 1")), n=1).task("a").instruction == "Add {n} + 1"
    expression = '= "답변: " + request + (has(vars.comment) ? " / " + vars.comment : "")'
    model = two_tasks(header("instruction", expression))
    assert Run(model, request="환불").task("a").instruction == "답변: 환불"
    assert Run(model, request="환불", comment="짧게").task("a").instruction == "답변: 환불 / 짧게"


@pytest.mark.parametrize(
    ("assignment", "assignee", "groups"),
    [
        ('assignee="kim@example.com"', "kim@example.com", []),
        ('assignee="= requester"', "lee@example.com", []),
        ('assignee="= nobody"', None, []),
        ('candidateGroups="support"', None, ["support"]),
        ('candidateGroups=" support ,, 영업 "', None, ["support", "영업"]),
        ("candidateGroups=\"= ['a', team]\"", None, ["a", "지원"]),
        ("candidateGroups=\"= team + ',b'\"", None, ["지원", "b"]),
        ('candidateGroups="= nobody"', None, []),
    ],
)
def test_who_a_task_is_for_is_literal_or_evaluated(assignment: str, assignee: str | None, groups: list[str]) -> None:
    model = two_tasks(f"<zeebe:assignmentDefinition {assignment}/>")
    task = Run(model, requester="lee@example.com", team="지원", nobody=None).task("a")
    assert (task.assignee, task.candidate_groups) == (assignee, groups)


def test_parallel_branches_write_the_same_variables_and_the_last_writer_wins() -> None:
    model = scope(
        "startEvent s, parallelGateway fork j, serviceTask a b c, endEvent e",
        "s -> fork, fork -> a -> j, fork -> b -> j, j -> c -> e",
    )
    run = Run(process(model), seen=[])
    assert run.task("b").input == {"seen": []}
    run.do("a", by_a=1, last="a").do("b", by_b=2, last="b")
    assert run.task("c").input == {"seen": [], "by_a": 1, "by_b": 2, "last": "b"}


@pytest.mark.parametrize(
    "output", [{"x": float("nan")}, {"x": object()}, {1: 2}, {"x": {1, 2}}, {"deep": [[[{"x": b"bytes"}]]]}]
)
def test_an_output_that_is_not_json_fails_the_step(output: dict[Any, Any]) -> None:
    run = Run(two_tasks(""))
    with pytest.raises(StepFailed, match=r"a: output"):
        run.complete(run.task("a"), output)


def test_variables_that_are_not_json_cannot_start_an_instance() -> None:
    spec = parse(two_tasks("")).spec
    with pytest.raises(StepFailed, match=r"p: variables\.x is nan"):
        start(spec, {"x": float("nan")})


def test_a_variable_may_have_any_name_even_one_the_library_uses() -> None:
    odd = {"typename": "BpmnWorkflow", "__class__": "x", "data_objects": {"typename": "UUID"}, "": 1, "공백 이름": None}
    run = Run(two_tasks(""), **odd)
    assert run.do("a", typename="Task").variables == {**odd, "typename": "Task"}


def test_a_step_shares_no_object_with_its_caller() -> None:
    spec, variables = parse(two_tasks("")).spec, {"list": [1]}
    step = start(spec, variables)
    variables["list"].append(2)
    step.new_tasks[0].input["list"].append(3)
    assert step.state["variables"] == {"list": [1]}
