"""Compensation (BPMN 2.0.2, 10.5.6 and 13.5.5): what was completed is undone, the last first."""

import pytest
from bpmn_writing import Run, scope
from event_writing import COMPENSATE, boundary, error, event_subprocess, file, signal

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid


def undone(activity: str, kind: str = "userTask", inside: str = "") -> str:
    """What undoes `activity`: the activity `un_<activity>` and what ties the two together."""
    return (
        boundary(f"c_{activity}", activity, COMPENSATE)
        + f'<bpmn:{kind} id="un_{activity}" isForCompensation="true">{inside}</bpmn:{kind}>'
        + f'<bpmn:association id="as_{activity}" sourceRef="c_{activity}" targetRef="un_{activity}"/>'
    )


TWO = "startEvent s, userTask a b after, intermediateThrowEvent c, endEvent e"
BOOKED = scope(TWO, "s -> a -> b -> c -> after -> e", {"c": COMPENSATE})


def test_all_that_was_completed_is_undone_one_after_the_other_the_last_first() -> None:
    run = Run(file(BOOKED, undone("a"), undone("b"))).do("a").do("b")
    assert run.open == ["un_b"]
    assert run.do("un_b").open == ["un_a"]
    assert run.do("un_a").open == ["after"]
    assert run.do("after").ended


def test_what_was_not_completed_is_not_undone() -> None:
    model = scope(
        "startEvent s, exclusiveGateway x m, userTask a b after, intermediateThrowEvent c, endEvent e",
        "s -> x, x -> a [n == 1], x -> b [default], a -> m, b -> m, m -> c -> after -> e",
        {"c": COMPENSATE},
    )
    assert Run(file(model, undone("a"), undone("b")), n=1).do("a").open == ["un_a"]


def test_nothing_to_undo_is_passed_through() -> None:
    assert Run(file(BOOKED, undone("b"))).do("a").do("b").do("un_b").open == ["after"]
    assert Run(file(scope(TWO, "s -> c -> after -> a -> b -> e", {"c": COMPENSATE}), undone("a"))).open == ["after"]


def test_one_activity_may_be_named() -> None:
    model = scope(TWO, "s -> a -> b -> c -> after -> e", {"c": '<bpmn:compensateEventDefinition activityRef="a"/>'})
    run = Run(file(model, undone("a"), undone("b"))).do("a").do("b")
    assert run.open == ["un_a"]
    assert run.do("un_a").open == ["after"]


def test_an_activity_that_was_completed_several_times_is_undone_as_often() -> None:
    loop = scope(
        "startEvent s, exclusiveGateway m x, userTask a after, intermediateThrowEvent c, endEvent e",
        "s -> m -> a -> x, x -> m [n < 2], x -> c [default], c -> after -> e",
        {"c": COMPENSATE},
    )
    run = Run(file(loop, undone("a"))).do("a", n=1).do("a", n=2)
    assert run.do("un_a").open == ["un_a"]
    assert run.do("un_a").open == ["after"]
    assert run.trace.count("un_a") == 2


def test_what_was_undone_is_not_undone_again() -> None:
    model = scope(
        "startEvent s, userTask a, intermediateThrowEvent c d, endEvent e",
        "s -> a -> c -> d -> e",
        {"c": COMPENSATE, "d": COMPENSATE},
    )
    assert Run(file(model, undone("a"))).do("a").do("un_a").ended


def test_a_compensation_end_event_undoes_and_ends() -> None:
    model = scope("startEvent s, userTask a, endEvent e", "s -> a -> e", {"e": COMPENSATE})
    run = Run(file(model, undone("a"))).do("a")
    assert run.open == ["un_a"]
    assert run.do("un_a").ended


def test_a_branch_beside_goes_on_while_something_is_undone() -> None:
    model = scope(
        "startEvent s, userTask a x after, parallelGateway g, intermediateThrowEvent c, endEvent e",
        "s -> a -> g, g -> c -> after -> e, g -> x -> e",
        {"c": COMPENSATE},
    )
    run = Run(file(model, undone("a"))).do("a")
    assert sorted(run.open) == ["un_a", "x"]
    assert run.do("x").open == ["un_a"]
    assert run.do("un_a").open == ["after"]


INSIDE = scope("startEvent is, userTask x y, endEvent ie", "is -> x -> y -> ie") + undone("x") + undone("y")
WITH_SUB = scope(
    "startEvent s, subProcess sub, userTask a after, intermediateThrowEvent c, endEvent e",
    "s -> sub -> a -> c -> after -> e",
    {"sub": INSIDE, "c": COMPENSATE},
)


def test_a_completed_sub_process_is_undone_by_undoing_what_is_inside() -> None:
    run = Run(file(WITH_SUB, undone("a"))).do("x").do("y").do("a")
    assert run.open == ["un_a"]
    assert run.do("un_a").open == ["un_y"]
    assert run.do("un_y").open == ["un_x"]
    assert run.do("un_x").open == ["after"]
    assert run.do("after").ended


def test_a_sub_process_with_a_compensation_of_its_own_is_undone_as_a_whole() -> None:
    run = Run(file(WITH_SUB, undone("sub"))).do("x").do("y").do("a")
    assert run.open == ["un_sub"]
    assert run.do("un_sub").open == ["after"]


def test_a_sub_process_may_undo() -> None:
    inside = scope("startEvent us, userTask u1 u2, endEvent ue", "us -> u1 -> u2 -> ue")
    run = Run(file(BOOKED, undone("a", "subProcess", inside))).do("a").do("b")
    assert run.open == ["u1"]
    assert run.do("u1").do("u2").open == ["after"]


def test_an_interrupted_sub_process_is_not_undone_from_outside() -> None:
    model = scope(
        "startEvent s, subProcess sub, userTask after, intermediateThrowEvent c, endEvent e e2",
        "s -> sub -> e, b -> c -> after -> e2",
        {"sub": INSIDE, "c": COMPENSATE},
    )
    run = Run(file(model, boundary("b", "sub", signal()))).do("x")
    assert run.receive("b").open == ["after"]


def test_an_event_sub_process_undoes_the_scope_it_handles_an_error_of() -> None:
    rest = scope("intermediateThrowEvent c, userTask told, endEvent he", "esp_s -> c -> told -> he", {"c": COMPENSATE})
    esp = f'<bpmn:subProcess id="esp" triggeredByEvent="true"><bpmn:startEvent id="esp_s">{error()}</bpmn:startEvent>'
    main = scope("startEvent s, userTask a b, endEvent e", "s -> a -> b -> e")
    run = Run(file(main, undone("a"), f"{esp}{rest}</bpmn:subProcess>")).do("a")
    run.do("b", bpmn_error={"code": "EMPTY"})
    assert run.open == ["un_a"]
    assert run.do("un_a").open == ["told"]
    assert run.do("told").ended


def test_an_interruption_ends_a_compensation_that_runs() -> None:
    run = Run(file(BOOKED, undone("a"), event_subprocess("esp", signal()))).do("a").do("b")
    assert run.open == ["un_a"]
    assert run.receive("esp_s").open == ["handle"]
    assert run.do("handle").ended


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (boundary("c", "a", COMPENSATE), "needs an association to an activity with isForCompensation"),
        ('<bpmn:userTask id="u" isForCompensation="true"/>', "userTask 'u' .* is for compensation but undoes nothing"),
        (
            undone("a") + undone("a").replace('"un_a"', '"un2"').replace('"c_a"', '"c2"').replace("as_a", "as2"),
            "second compensation of 'a'",
        ),
        (undone("nobody"), "is attached to 'nobody', which is no activity of the same scope"),
    ],
)
def test_compensation_that_undoes_nothing_is_refused(content: str, complaint: str) -> None:
    with pytest.raises(DefinitionInvalid, match=complaint):
        parse(file(scope("startEvent s, userTask a, endEvent e", "s -> a -> e"), content))


def test_not_to_wait_for_its_end_is_refused() -> None:
    with pytest.raises(DefinitionInvalid, match='with waitForCompletion="false" is not supported'):
        parse(
            file(
                BOOKED.replace(
                    "<bpmn:compensateEventDefinition/>", '<bpmn:compensateEventDefinition waitForCompletion="false"/>'
                )
            )
        )


def test_an_activity_that_is_not_there_is_refused() -> None:
    with pytest.raises(DefinitionInvalid, match="has the activityRef 'z', which the process does not have"):
        parse(
            file(
                BOOKED.replace("<bpmn:compensateEventDefinition/>", '<bpmn:compensateEventDefinition activityRef="z"/>')
            )
        )
