"""The stored state: small, without the definition, and no larger after two hundred rounds than after one."""

import json

from bpmn_writing import Run, process, scope

LOOP = process(
    scope(
        "startEvent s, exclusiveGateway again more, parallelGateway fork join, subProcess sub, userTask a b,endEvent e",
        "s -> again -> fork, fork -> a -> join, fork -> sub -> join, join -> b -> more,"
        "more -> again [go], more -> e [default]",
        {"sub": scope("startEvent is, userTask x, endEvent ie", "is -> x -> ie")},
    )
)


def size(run: Run) -> int:
    return len(json.dumps(run.state))


def test_a_process_that_loops_two_hundred_times_does_not_grow() -> None:
    run = Run(LOOP, go=True).do("x").do("a").do("b")
    after_one_round = size(run)
    for _ in range(200):
        run.do("x").do("a").do("b")
    assert run.task("a").iteration == 202
    assert size(run) <= after_one_round + 4 * len("202"), "only the four counters may get longer"
    run.do("a").do("x").do("b", go=False)
    assert run.ended


def test_a_state_holds_tokens_and_variables_and_nothing_of_the_definition() -> None:
    run = Run(LOOP, go=True)
    run.do("a")
    (join, sub) = sorted(run.state["tokens"], key=lambda token: token["at"])
    assert (join["at"], join["came_from"]) == ("join", "a")
    assert (sub["at"], [token["at"] for token in sub["inside"]]) == ("sub", ["x"])
    assert sub["inside"][0]["id"] == run.task("x").token_id
    assert set(run.state) == {"seed", "tokens_made", "activations", "variables", "tokens"}
    assert size(run) < 600


def test_an_instance_that_has_ended_has_no_tokens_left() -> None:
    run = Run(LOOP, go=False)
    run.do("a").do("x").do("b")
    assert run.ended
    assert run.state["tokens"] == []
    assert run.state["activations"] == {"a": 1, "x": 1, "b": 1}
