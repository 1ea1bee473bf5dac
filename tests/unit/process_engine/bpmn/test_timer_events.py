"""Timers (BPMN 2.0.2, 10.5.5): dates, durations and cycles, at every place where they may stand."""

import pytest
from bpmn_writing import Run, scope
from event_writing import boundary, event_subprocess, file, mapped, timer

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, StepFailed
from process_engine.values.timers import schedule

CAUGHT = scope("startEvent s, intermediateCatchEvent t, userTask a, endEvent e", "s -> t -> a -> e", {"t": timer()})
HOST = scope("startEvent s, userTask a late, endEvent e e2", "s -> a -> e, t -> late -> e2")


def test_an_intermediate_timer_holds_its_token_until_it_is_due() -> None:
    run = Run(file(CAUGHT))
    assert (run.open, run.waiting) == ([], ["t"])
    assert run.wait("t")["kind"] == "timer"
    assert run.wait("t").get("schedule") == {"after": "PT5M"}
    assert run.receive("t").open == ["a"]
    assert run.waiting == []
    assert run.do("a").ended


@pytest.mark.parametrize(
    ("kind", "text", "variables", "expected"),
    [
        ("timeDate", "2030-01-31T09:00:00Z", {}, {"at": "2030-01-31T09:00:00+00:00"}),
        ("timeDate", "2030-01-31T09:00:00+09:00", {}, {"at": "2030-01-31T09:00:00+09:00"}),
        ("timeDuration", "P1DT2H", {}, {"after": "P1DT2H"}),
        ("timeDuration", "PT0S", {}, {"after": "PT0S"}),
        ("timeDuration", "='PT' + string(n) + 'M'", {"n": 7}, {"after": "PT7M"}),
        ("timeDate", "=when", {"when": "2031-01-01T00:00:00Z"}, {"at": "2031-01-01T00:00:00+00:00"}),
    ],
)
def test_what_a_timer_is_set_to(kind: str, text: str, variables: dict[str, object], expected: object) -> None:
    run = Run(file(CAUGHT.replace(timer(), timer(text, kind))), **variables)
    assert run.wait("t").get("schedule") == expected


def test_an_interrupting_boundary_timer_ends_its_activity() -> None:
    run = Run(file(HOST, boundary("t", "a", timer())))
    assert (run.open, run.waiting) == (["a"], ["t"])
    assert run.receive("t").open == ["late"]
    assert run.waiting == []
    assert run.do("late").ended


def test_an_activity_that_is_done_ends_the_wait_of_its_boundary_timer() -> None:
    run = Run(file(HOST, boundary("t", "a", timer()))).do("a")
    assert run.ended


def test_a_non_interrupting_boundary_timer_lets_its_activity_go_on() -> None:
    run = Run(file(HOST, boundary("t", "a", timer("R3/PT1H", "timeCycle"), interrupting=False)))
    assert run.wait("t").get("schedule") == {"every": "PT1H", "times": 3}
    assert run.receive("t").open == ["a", "late"]
    assert run.receive("t").open == ["a", "late", "late"]
    assert run.do("late").do("a").open == ["late"]
    assert run.waiting == []
    assert run.do("late").ended


def test_a_boundary_timer_of_a_sub_process_ends_all_that_runs_inside() -> None:
    inside = scope("startEvent is, parallelGateway g, userTask x y, endEvent ie", "is -> g, g -> x -> ie, g -> y -> ie")
    outer = scope(
        "startEvent s, subProcess sub, userTask late, endEvent e", "s -> sub -> e, t -> late -> e", {"sub": inside}
    )
    run = Run(file(outer, boundary("t", "sub", timer())))
    assert sorted(run.open) == ["x", "y"]
    assert run.receive("t").open == ["late"]
    assert run.do("late").ended


def test_a_boundary_timer_of_a_sub_process_waits_beside_those_inside() -> None:
    inside = scope("startEvent is, intermediateCatchEvent it, endEvent ie", "is -> it -> ie", {"it": timer("PT1M")})
    outer = scope(
        "startEvent s, subProcess sub, userTask late, endEvent e", "s -> sub -> e, t -> late -> e", {"sub": inside}
    )
    run = Run(file(outer, boundary("t", "sub", timer())))
    assert run.waiting == ["t", "it"]
    assert run.receive("it").ended


def test_a_timer_in_a_loop_is_set_anew_each_time() -> None:
    loop = scope(
        "startEvent s, exclusiveGateway m x, intermediateCatchEvent t, userTask a, endEvent e",
        "s -> m -> t -> a -> x, x -> m [n < 2], x -> e [default]",
        {"t": timer()},
    )
    run = Run(file(loop))
    first = run.wait("t").get("token")
    run.receive("t").do("a", n=1)
    assert run.wait("t").get("token") != first
    assert run.receive("t").do("a", n=2).ended


def test_a_timer_starts_a_process() -> None:
    start = f'<bpmn:startEvent id="daily">{timer("R/P1D", "timeCycle")}</bpmn:startEvent>'
    model = file(start, scope("userTask a, endEvent e", "daily -> a -> e"))
    assert parse(model).spec["starts"] == [
        {"element": "daily", "kind": "timer", "once": False, "schedule": {"every": "P1D", "times": None}}
    ]
    assert Run(model, start_event="daily").open == ["a"]


def test_a_process_that_only_events_start_is_not_started_without_one() -> None:
    start = f'<bpmn:startEvent id="daily">{timer("R/P1D", "timeCycle")}</bpmn:startEvent>'
    with pytest.raises(StepFailed, match="no start event without a trigger"):
        Run(file(start, scope("userTask a, endEvent e", "daily -> a -> e")))


@pytest.mark.parametrize("interrupting", [True, False])
def test_an_event_sub_process_may_wait_for_a_timer(interrupting: bool) -> None:
    run = Run(
        file(
            scope("startEvent s, userTask a, endEvent e", "s -> a -> e"), event_subprocess("esp", timer(), interrupting)
        )
    )
    assert (run.open, run.waiting) == (["a"], ["esp_s"])
    run.receive("esp_s")
    assert sorted(run.open) == (["handle"] if interrupting else ["a", "handle"])


def test_what_a_timer_brings_is_mapped() -> None:
    content = mapped("output", "='late'", "state") + timer()
    assert Run(file(CAUGHT.replace(timer(), content))).receive("t").variables == {"state": "late"}


@pytest.mark.parametrize("text", ["", "5 minutes", "P", "PT", "P1DT", "-PT5M", "PT-5M", "P101Y", "R3/PT5M"])
def test_what_is_no_duration_is_refused_at_deployment(text: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(file(CAUGHT.replace(timer(), timer(text))))
    (problem,) = caught.value.problems
    assert (problem.element_id, problem.line) == ("t", 4)
    assert "timer that cannot be read" in problem.message


def test_an_expression_that_gives_no_timer_is_an_incident() -> None:
    with pytest.raises(StepFailed, match="t: the timer cannot be set: 'soon' is not an ISO 8601 duration"):
        Run(file(CAUGHT.replace(timer(), timer("='soon'"))))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("R/PT10S", {"every": "PT10S", "times": None}),
        ("R1/P1W", {"every": "P1W", "times": 1}),
        ("R5/2030-01-01T00:00:00Z/PT1M", {"every": "PT1M", "times": 5, "at": "2030-01-01T00:00:00+00:00"}),
    ],
)
def test_a_cycle_says_how_often_and_from_when(text: str, expected: object) -> None:
    assert schedule("cycle", text) == expected


@pytest.mark.parametrize("text", ["PT5M", "R3/", "R0/PT1M", "0 0 9 * * *", "R/PT0S", "R3/PT5M/2030-01-01T00:00:00Z"])
def test_what_is_no_cycle_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cycle|repeating"):
        schedule("cycle", text)


@pytest.mark.parametrize("text", ["2030-01-31T09:00:00", "tomorrow", "2030-13-01T00:00:00Z"])
def test_a_date_names_its_time_zone(text: str) -> None:
    with pytest.raises(ValueError, match=r"time zone|ISO 8601 date"):
        schedule("date", text)
