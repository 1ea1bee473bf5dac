"""Embedded sub-processes: they start, end when all inside has ended, and can be entered several times."""

from bpmn_writing import Run, process, scope

SUB = scope("startEvent is, userTask x y, endEvent ie", "is -> x -> y -> ie")


def test_a_sub_process_goes_on_when_everything_inside_has_ended() -> None:
    run = Run(
        process(
            scope("startEvent s, subProcess sub, userTask after, endEvent e", "s -> sub -> after -> e", {"sub": SUB})
        )
    )
    assert run.open == ["x"]
    assert run.do("x", n=1).open == ["y"]
    assert run.task("y").input == {"n": 1}
    assert run.do("y").open == ["after"]
    assert run.do("after").ended


def test_sub_processes_nest_and_may_follow_each_other_inside() -> None:
    deep = scope("startEvent ds, task skip, endEvent de", "ds -> skip -> de")
    deeper = scope("startEvent fs, userTask f, endEvent fe", "fs -> f -> fe")
    mid = scope(
        "startEvent ms, userTask m, subProcess d1 d2, endEvent me",
        "ms -> m -> d1 -> d2 -> me",
        {"d1": deep, "d2": deeper},
    )
    run = Run(
        process(scope("startEvent s, subProcess mid, userTask a, endEvent e", "s -> mid -> a -> e", {"mid": mid}))
    )
    assert run.open == ["m"]
    assert run.do("m").open == ["f"]
    assert run.do("f").open == ["a"]
    assert run.do("a").ended


def test_a_sub_process_with_nothing_to_wait_for_is_passed_through() -> None:
    empty = scope("startEvent is", "")
    assert Run(process(scope("startEvent s, subProcess sub, endEvent e", "s -> sub -> e", {"sub": empty}))).ended


def test_a_sub_process_with_parallel_ends_waits_for_all_of_them() -> None:
    inner = scope(
        "startEvent is, parallelGateway g, userTask x y, endEvent i1 i2", "is -> g, g -> x -> i1, g -> y -> i2"
    )
    run = Run(
        process(scope("startEvent s, subProcess sub, userTask a, endEvent e", "s -> sub -> a -> e", {"sub": inner}))
    )
    assert run.do("y").open == ["x"]
    assert run.do("x").open == ["a"]


def test_a_sub_process_in_a_loop_starts_anew_and_its_activations_are_counted() -> None:
    run = Run(
        process(
            scope(
                "startEvent s, subProcess sub, exclusiveGateway x_again, endEvent e",
                "s -> sub -> x_again, x_again -> sub [n < 3], x_again -> e [default]",
                {"sub": SUB},
            )
        )
    )
    for n in (1, 2, 3):
        assert run.task("x").iteration == n
        run.do("x")
        assert run.task("y").iteration == n
        run.do("y", n=n)
    assert run.ended


def test_two_tokens_inside_the_same_sub_process_do_not_meet() -> None:
    inner = scope(
        "startEvent is, parallelGateway g j, userTask x y, endEvent ie", "is -> g, g -> x -> j, g -> y -> j, j -> ie"
    )
    run = Run(
        process(
            scope(
                "startEvent s, parallelGateway fork, exclusiveGateway merge, userTask after, subProcess sub,"
                "task t1 t2, endEvent e",
                "s -> fork, fork -> t1 -> merge, fork -> t2 -> merge, merge -> sub -> after -> e",
                {"sub": inner},
            )
        )
    )
    assert sorted(run.open) == ["x", "x", "y", "y"]
    run.do("x").do("x")
    assert run.open == ["y", "y"]
    assert run.do("y").open == ["y", "after"]
    assert run.do("y").open == ["after", "after"]


def test_a_choice_inside_a_sub_process_reads_the_variables_of_the_instance() -> None:
    inner = scope(
        "startEvent is, userTask x, exclusiveGateway c, userTask yes, endEvent ie",
        "is -> x -> c, c -> yes [answer == '네'], c -> ie [default], yes -> ie",
    )
    run = Run(process(scope("startEvent s, subProcess sub, endEvent e", "s -> sub -> e", {"sub": inner})))
    assert run.do("x", answer="네").open == ["yes"]
    assert run.do("yes").ended
