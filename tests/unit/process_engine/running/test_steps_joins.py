"""Parallel and inclusive gateways: how tokens split, and that a join waits for those that can come, and no others."""

import pytest
from bpmn_writing import Run, process, scope

from process_engine.values.errors import StepFailed


def model(nodes: str, flows: str, inner: dict[str, str] | None = None) -> bytes:
    return process(scope(nodes, flows, inner))


FORK = model(
    "startEvent s, parallelGateway fork join, userTask a b c after, endEvent e",
    "s -> fork, fork -> a -> join, fork -> b -> join, fork -> c -> join, join -> after -> e",
)


@pytest.mark.parametrize("order", ["abc", "acb", "bac", "bca", "cab", "cba"])
def test_a_parallel_join_waits_for_every_branch_in_any_order(order: str) -> None:
    run = Run(FORK)
    assert run.open == ["a", "b", "c"]
    for activity in order:
        assert "after" not in run.open
        run.do(activity)
    assert run.open == ["after"]
    assert run.do("after").ended


def test_a_parallel_join_in_a_loop_waits_for_every_branch_each_time() -> None:
    run = Run(
        model(
            "startEvent s, exclusiveGateway again more, parallelGateway fork join, userTask a b c, endEvent e",
            "s -> again -> fork, fork -> a -> join, fork -> b -> join, join -> c -> more,"
            "more -> again [n < 6], more -> e [default]",
        )
    )
    for n in range(1, 7):
        first, second = ("a", "b") if n % 2 else ("b", "a")
        assert run.do(first).open == [second]
        assert run.do(second).open == ["c"]
        assert run.task("c").iteration == n
        run.do("c", n=n)
    assert run.ended


def test_a_second_token_on_the_same_flow_waits_for_its_own_partner() -> None:
    """Two tokens come from a before one comes from b: the join fires once, and again when b comes again."""
    run = Run(
        model(
            "startEvent s, parallelGateway g join, exclusiveGateway into_a into_b, userTask a b extra after,endEvent e",
            "s -> g, g -> into_a -> a -> join, g -> into_b -> b -> join, g -> extra, extra -> into_a, extra -> into_b,"
            "join -> after -> e",
        )
    )
    run.do("extra")
    assert sorted(run.open) == ["a", "a", "b", "b"]
    run.do("a").do("a")
    assert sorted(run.open) == ["b", "b"]
    assert run.do("b").open == ["b", "after"]
    assert run.do("b").open == ["after", "after"]
    assert [task.iteration for task in run.tasks] == [1, 2]
    assert run.do("after").do("after").ended


def test_a_gateway_may_join_and_split_at_once() -> None:
    run = Run(
        model(
            "startEvent s, parallelGateway g both join, userTask a b c d, endEvent e",
            "s -> g, g -> a -> both, g -> b -> both, both -> c -> join, both -> d -> join, join -> e",
        )
    )
    assert run.do("a").do("b").open == ["c", "d"]
    assert run.do("c").do("d").ended


def test_a_join_that_can_never_fire_fails_the_step_instead_of_hanging() -> None:
    run = Run(
        model(
            "startEvent s, userTask first, exclusiveGateway x, parallelGateway join, userTask a b, endEvent e",
            "s -> first -> x, x -> a [n == 1], x -> b [default], a -> join, b -> join, join -> e",
        )
    )
    run.do("first", n=1)
    with pytest.raises(StepFailed) as caught:
        run.do("a")
    assert caught.value.element_id == "join"
    assert caught.value.message == (
        "the process is stuck: this join waits for a token from b, which cannot come any more"
    )


def test_a_join_that_is_stuck_inside_a_sub_process_is_found_too() -> None:
    inner = scope(
        "startEvent is, exclusiveGateway x, parallelGateway join, task a b, endEvent ie",
        "is -> x, x -> a [true], x -> b [default], a -> join, b -> join, join -> ie",
    )
    with pytest.raises(StepFailed, match=r"join: the process is stuck: .* from b"):
        Run(model("startEvent s, subProcess sub, endEvent e", "s -> sub -> e", {"sub": inner}))


CHOICES = model(
    "startEvent s, inclusiveGateway split join, userTask a b c d after, endEvent e",
    "s -> split, split -> a [n > 0], split -> b [n > 1], split -> c [n > 2], split -> d [default],"
    "a -> join, b -> join, c -> join, d -> join, join -> after -> e",
)


@pytest.mark.parametrize(("n", "chosen"), [(0, "d"), (1, "a"), (2, "ab"), (3, "abc")])
@pytest.mark.parametrize("backwards", [False, True])
def test_an_inclusive_join_waits_for_exactly_the_branches_that_were_chosen(
    n: int, chosen: str, backwards: bool
) -> None:
    run = Run(CHOICES, n=n)
    assert run.open == list(chosen)
    for activity in reversed(chosen) if backwards else chosen:
        assert "after" not in run.open
        run.do(activity)
    assert run.open == ["after"]
    assert run.do("after").ended


def test_an_inclusive_split_may_go_straight_to_its_join() -> None:
    run = Run(
        model(
            "startEvent s, inclusiveGateway split join, userTask a after, endEvent e",
            "s -> split, split -> join [true], split -> a [n == 1], a -> join, join -> after -> e",
        ),
        n=1,
    )
    assert run.open == ["a"]
    assert run.do("a").open == ["after"]


def test_an_inclusive_join_stops_waiting_when_a_branch_takes_another_way() -> None:
    run = Run(
        model(
            "startEvent s, inclusiveGateway split join, exclusiveGateway x, userTask a b after, endEvent e away",
            "s -> split, split -> a [true], split -> b [true], a -> join, b -> x,"
            "x -> join [stay], x -> away [default], join -> after -> e",
        )
    )
    assert run.do("a").open == ["b"]
    assert run.do("b", stay=False).open == ["after"]
    assert run.do("after").ended


def test_an_inclusive_join_waits_for_a_branch_that_loops() -> None:
    run = Run(
        model(
            "startEvent s, inclusiveGateway split join, exclusiveGateway x, userTask a b after, endEvent e",
            "s -> split, split -> a [true], split -> b [true], a -> join, b -> x, x -> b [again], x -> join [default],"
            "join -> after -> e",
        )
    )
    run.do("a")
    assert run.do("b", again=True).open == ["b"]
    assert run.do("b", again=False).open == ["after"]


def test_an_inclusive_join_waits_for_a_sub_process() -> None:
    inner = scope("startEvent is, userTask deep, endEvent ie", "is -> deep -> ie")
    run = Run(
        model(
            "startEvent s, inclusiveGateway split join, userTask a after, subProcess sub, endEvent e",
            "s -> split, split -> a [true], split -> sub [true], a -> join, sub -> join, join -> after -> e",
            {"sub": inner},
        )
    )
    assert run.do("a").open == ["deep"]
    assert run.do("deep").open == ["after"]


def test_a_token_that_could_just_as_well_come_where_one_is_already_is_not_waited_for() -> None:
    """BPMN 2.0.2, table 13.3: k can reach the empty flow (through b) but also the one with a token (through a)."""
    run = Run(
        model(
            "startEvent s, parallelGateway g, inclusiveGateway join, exclusiveGateway x, userTask a b k after,"
            "endEvent e",
            "s -> g, g -> a -> join, g -> k -> x, x -> a [back], x -> b [default], b -> join, join -> after -> e",
        )
    )
    assert run.do("a").open == ["k", "after"]
    run.do("after").do("k", back=False).do("b")
    assert run.task("after").iteration == 2
    assert run.do("after").ended


def test_a_choice_nested_in_an_inclusive_branch_is_waited_for() -> None:
    run = Run(
        model(
            "startEvent s, inclusiveGateway split join, exclusiveGateway x y, userTask a b c d after, endEvent e",
            "s -> split, split -> a [true], split -> b [true], a -> join, b -> x, x -> c [n == 1], x -> d [default],"
            "c -> y, d -> y, y -> join, join -> after -> e",
        )
    )
    assert run.do("a").do("b", n=1).open == ["c"]
    assert run.do("c").open == ["after"]
    assert run.do("after").ended


def test_an_inclusive_block_nested_in_an_inclusive_block_joins_inside_first() -> None:
    run = Run(
        model(
            "startEvent s, inclusiveGateway o1 o2 i1 i2, userTask a b c mid after, endEvent e",
            "s -> o1, o1 -> a [true], o1 -> i1 [true], i1 -> b [true], i1 -> c [true], b -> i2, c -> i2,"
            "i2 -> mid -> o2, a -> o2, o2 -> after -> e",
        )
    )
    assert run.do("b").do("a").open == ["c"]
    assert run.do("c").open == ["mid"]
    assert run.do("mid").open == ["after"]


def test_an_inclusive_join_in_a_loop_counts_anew_each_time() -> None:
    run = Run(
        model(
            "startEvent s, exclusiveGateway again more, inclusiveGateway split join, userTask a b c after, endEvent e",
            "s -> again -> split, split -> a [true], split -> b [n % 2 == 1], split -> c [n % 3 == 0],"
            "a -> join, b -> join, c -> join, join -> after -> more, more -> again [n < 6], more -> e [default]",
        ),
        n=0,
    )
    for n in range(6):
        chosen = ["a"] + ["b"] * (n % 2 == 1) + ["c"] * (n % 3 == 0)
        assert run.open == chosen
        for activity in reversed(chosen):
            run.do(activity)
        assert run.open == ["after"]
        run.do("after", n=n + 1)
    assert run.ended


def test_a_parallel_join_takes_tokens_only_from_its_own_scope() -> None:
    inner = scope(
        "startEvent is, parallelGateway ig ij, userTask x y, endEvent ie",
        "is -> ig, ig -> x -> ij, ig -> y -> ij, ij -> ie",
    )
    run = Run(
        model(
            "startEvent s, parallelGateway g j, userTask a b, subProcess sub, endEvent e",
            "s -> g, g -> a, g -> b, a -> j, b -> j, j -> sub -> e",
            {"sub": inner},
        )
    )
    run.do("a").do("b").do("x")
    assert run.open == ["y"]
    assert run.do("y").ended
