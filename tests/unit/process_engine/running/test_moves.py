"""A token is moved by hand where that is sound, and refused by name where it is not."""

from typing import Any

import pytest
from bpmn_writing import Run, extensions, many, process, scope, through_json
from event_writing import boundary, event_subprocess, file, message, timer

from process_engine.running.moves import move
from process_engine.values.errors import RepairRefused, StepFailed

LINE = scope("startEvent s, userTask a b c, endEvent e", "s -> a -> b -> c -> e")
PARALLEL = scope(
    "startEvent s, userTask first, parallelGateway g j, userTask a b a2 after, endEvent e",
    "s -> first -> g, g -> a -> a2 -> j, g -> b -> j -> after -> e",
)
NESTED = scope(
    "startEvent s, subProcess p1, userTask z, endEvent e",
    "s -> p1 -> z -> e",
    {"p1": scope("startEvent i, userTask x y, endEvent f", "i -> x -> y -> f")},
)


def moved(run: Run, source: str, target: str, **variables: Any) -> Run:
    """`run` after a move, checked as after every step."""
    before = through_json(run.state)
    done = move(run.spec, run.state, source, target, variables, run.library)
    assert run.state == before, "a move must not change the state it got"
    assert done.step == move(run.spec, run.state, source, target, variables, run.library).step, "deterministic"
    run._took(done.step)
    return run


def refused(run: Run, source: str, target: str) -> str:
    with pytest.raises(RepairRefused) as refusal:
        move(run.spec, run.state, source, target, {}, run.library)
    assert refusal.value.remedy
    return refusal.value.word


def test_a_token_goes_forwards_and_backwards_and_the_process_goes_on_from_there() -> None:
    run = moved(Run(process(LINE)), "a", "c", n=1)
    assert (run.open, run.step.cancelled != [], run.variables) == (["c"], True, {"n": 1})
    moved(run, "c", "a")
    assert run.open == ["a"] and run.task("a").iteration == 2
    run.do("a").do("b").do("c")
    assert run.ended


def test_a_token_can_be_named_by_its_id_and_moved_to_where_it_is() -> None:
    run = Run(process(LINE))
    moved(run, run.task("a").token_id, "a")
    assert run.open == ["a"] and run.task("a").iteration == 2


def test_a_token_that_is_moved_to_an_end_ends_the_instance() -> None:
    assert moved(Run(process(LINE)), "a", "e").ended


def test_a_move_within_a_branch_keeps_the_join_right() -> None:
    run = moved(Run(process(PARALLEL)).do("first"), "a", "a2")
    run.do("b")
    assert run.open == ["a2"]
    run.do("a2")
    assert run.open == ["after"]


def test_a_token_that_is_moved_to_the_join_counts_for_its_branch() -> None:
    run = moved(Run(process(PARALLEL)).do("first"), "a", "j")
    assert run.open == ["b"]
    assert run.do("b").open == ["after"]
    run = moved(Run(process(PARALLEL)).do("first").do("b"), "a", "j")
    assert run.open == ["after"]


def test_a_token_does_not_leave_a_branch_that_others_wait_for() -> None:
    run = Run(process(PARALLEL)).do("first")
    assert refused(run, "a", "after") == "join"
    assert refused(run, "a", "first") == "join", "the other branch would come twice"
    assert refused(run, "a", "b") == "join"
    run.do("b")
    assert refused(run, "a", "e") == "join"
    assert refused(run, "j", "after") == "join", "the token that waits at the join is waited for, too"


def test_a_token_does_not_enter_one_branch_alone() -> None:
    run = Run(process(PARALLEL))
    assert refused(run, "first", "a") == "join"
    assert refused(run, "first", "j") == "join_branch"
    assert moved(run, "first", "after").open == ["after"]
    assert refused(run, "after", "a") == "join"
    assert moved(run, "after", "g").open == ["a", "b"]


def test_an_inclusive_join_is_not_passed_twice() -> None:
    model = scope(
        "startEvent s, userTask first, inclusiveGateway g j, userTask a b a2 after, endEvent e",
        "s -> first -> g, g -> a [true], g -> b [true], a -> a2 -> j, b -> j -> after -> e",
    )
    run = Run(process(model)).do("first")
    assert refused(run, "a", "after") == "join"
    assert moved(run, "a", "a2").open == ["b", "a2"]
    assert moved(Run(process(model)), "first", "a").do("a").do("a2").open == ["after"]


def test_tokens_do_not_cross_the_border_of_a_sub_process_but_it_moves_as_a_whole() -> None:
    run = Run(process(NESTED))
    assert refused(run, "x", "z") == "other_scope"
    assert moved(run, "x", "y").open == ["y"]
    assert moved(run, "p1", "z").open == ["z"]
    assert refused(run, "z", "x") == "other_scope"
    assert moved(run, "z", "p1").open == ["x"]


def test_variables_outlive_the_token_that_is_moved() -> None:
    own = extensions('<zeebe:ioMapping><zeebe:input source="=1" target="n"/></zeebe:ioMapping>')
    inside = scope("startEvent i, userTask x, endEvent f", "i -> x -> f")
    around = scope("startEvent s, subProcess p1, userTask z, endEvent e", "s -> p1 -> z -> e", {"p1": own + inside})
    run = Run(process(around))
    assert moved(run, "p1", "z", n=2).variables == {"n": 2}


def test_instances_of_a_repetition_are_moved_together() -> None:
    repeated = many(inside="<bpmn:loopCardinality>3</bpmn:loopCardinality>")
    run = Run(process(scope("startEvent s, userTask a b, endEvent e", "s -> a -> b -> e", {"a": repeated})))
    assert refused(run, run.task("a").token_id, "b") == "repeated"
    assert moved(run, "a", "b").open == ["b"]


def test_a_wait_ends_and_begins_with_the_token() -> None:
    model = scope("startEvent s, userTask a b late, endEvent e", "s -> a -> b -> e, t -> late -> e")
    run = Run(file(model, boundary("t", "a", timer())))
    assert run.waiting == ["t"]
    assert moved(run, "a", "b").waiting == []
    assert moved(run, "b", "a").waiting == ["t"]


def test_a_token_that_waits_for_an_event_can_be_moved() -> None:
    model = scope(
        "startEvent s, intermediateCatchEvent m, userTask a, endEvent e", "s -> m -> a -> e", {"m": message()}
    )
    run = moved(Run(file(model), order="1"), "m", "a")
    assert (run.waiting, run.open) == ([], ["a"])


def test_what_no_flow_leads_to_is_no_target() -> None:
    model = scope("startEvent s, userTask a late, endEvent e", "s -> a -> e, t -> late -> e")
    run = Run(file(model, boundary("t", "a", timer()), event_subprocess("esp", message())), order="1")
    assert {refused(run, "a", target) for target in ("s", "t", "esp")} == {"target_not_entered"}
    assert refused(run, "a", "nowhere") == "target_unknown"


def test_a_source_must_be_one_token() -> None:
    run = Run(process(LINE))
    assert refused(run, "b", "c") == "token_unknown"
    twice = scope(
        "startEvent s, parallelGateway g, task x y, userTask a, endEvent e", "s -> g, g -> x -> a, g -> y -> a, a -> e"
    )
    assert refused(Run(process(twice)), "a", "e") == "token_ambiguous"


def test_a_move_that_the_process_cannot_make_fails_and_changes_nothing() -> None:
    inputs = extensions('<zeebe:ioMapping><zeebe:input source="=missing" target="x"/></zeebe:ioMapping>')
    run = Run(process(scope("startEvent s, userTask a b, endEvent e", "s -> a -> b -> e", {"b": inputs})))
    with pytest.raises(StepFailed, match="missing"):
        move(run.spec, run.state, "a", "b", {}, None)
    assert moved(run, "a", "b", missing=3).open == ["b"]
