"""Ad-hoc sub-processes: activities in any order, until a condition holds (BPMN 2.0.2, 13.3.5)."""

import pytest
from bpmn_writing import Run, extensions, many, process, scope

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, StepFailed

THREE = scope("userTask x y z", "")


def around(inside: str, attributes: str = "", active: str = "", until: str = "") -> bytes:
    content = extensions(f'<zeebe:adHoc activeElementsCollection="={active}"/>') if active else ""
    content += inside + (f"<bpmn:completionCondition>={until}</bpmn:completionCondition>" if until else "")
    model = scope("startEvent s, adHocSubProcess a, userTask after, endEvent e", "s -> a -> after -> e", {"a": content})
    return process(model.replace('<bpmn:adHocSubProcess id="a"', f'<bpmn:adHocSubProcess id="a"{attributes}'))


def test_activities_that_no_flow_leads_to_open_at_once_and_may_be_done_in_any_order() -> None:
    run = Run(around(THREE))
    assert run.open == ["x", "y", "z"]
    assert run.do("z").do("x").open == ["y"]
    assert run.do("y").open == ["after"]
    assert run.do("after").ended


def test_what_flows_lead_to_follows() -> None:
    run = Run(around(scope("userTask x y z", "x -> y")))
    assert run.open == ["x", "z"]
    assert run.do("x").do("z").open == ["y"]
    assert run.do("y").open == ["after"]


def test_a_list_chooses_what_it_begins_with() -> None:
    assert Run(around(THREE, active="todo"), todo=["z", "x"]).open == ["z", "x"]
    assert Run(around(THREE, active="todo"), todo=[]).open == ["after"]


def test_the_condition_ends_it_and_withdraws_what_still_runs() -> None:
    sub = scope("startEvent is, userTask z, endEvent ie", "is -> z -> ie")
    inside = scope("userTask x y, subProcess sub, userTask w", "x -> w", {"sub": sub})
    run = Run(around(inside, until="enough"), enough=False)
    assert sorted(run.open) == ["x", "y", "z"]
    run.do("x", enough=True)
    assert run.open == ["after"], "the flow from x is not taken any more"
    assert len(run.step.cancelled) == 2


def test_what_still_runs_may_be_waited_for() -> None:
    run = Run(around(THREE, ' cancelRemainingInstances="false"', until="enough"), enough=True)
    assert run.do("x").open == ["y", "z"]
    assert run.do("y").do("z").open == ["after"]


def test_one_after_the_other_where_the_order_is_sequential() -> None:
    run = Run(around(scope("userTask x y z", "x -> z"), ' ordering="Sequential"', until="enough"), enough=False)
    assert run.open == ["x"]
    assert run.do("x").open == ["z"]
    assert run.do("z").open == ["y"]
    assert run.do("y").open == ["after"]
    assert Run(around(THREE, ' ordering="Sequential"', until="enough"), enough=True).do("x").open == ["after"]


def test_activities_inside_may_repeat_and_those_that_need_nobody_run() -> None:
    loop = many('inputCollection="=ns" inputElement="n"')
    script = extensions('<zeebe:script expression="=1" resultVariable="r"/>')
    inside = scope("userTask x, scriptTask c, task t", "", {"x": loop, "c": script})
    run = Run(around(inside), ns=[1, 2])
    assert (run.open, run.variables["r"]) == (["x", "x"], 1)
    assert run.do("x").do("x").open == ["after"]
    assert Run(around(scope("task t u", "")), n=1).open == ["after"]


@pytest.mark.parametrize(
    ("active", "until", "reason"),
    [
        ("['q']", "", "activeElementsCollection must list activities of x, y, z, each once; its expression gives"),
        ("['x', 'x']", "", "each once"),
        ("'x'", "", "its expression gives 'x'"),
        ("", "missing", "completionCondition cannot be evaluated"),
        ("", "5", "completionCondition must give true or false; it gives 5"),
    ],
)
def test_a_choice_or_condition_that_makes_no_sense_stops_the_step(active: str, until: str, reason: str) -> None:
    with pytest.raises(StepFailed, match=reason) as caught:
        Run(around(THREE, active=active, until=until)).do("x")
    assert caught.value.element_id == "a"


@pytest.mark.parametrize(
    ("inside", "until", "complaint"),
    [
        ("", "", "has no activity to begin with"),
        (scope("startEvent is, userTask x", "is -> x"), "", "is inside an ad-hoc sub-process, which has none"),
        (THREE, "a b", "has an expression that cannot be run"),
    ],
)
def test_one_that_cannot_be_run_is_refused(inside: str, until: str, complaint: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(around(inside, until=until))
    assert complaint in str(caught.value)
