"""Event sub-processes (BPMN 2.0.2, 10.3.5 and 13.5.4): they wait as long as their scope runs."""

import pytest
from bpmn_writing import Run, scope
from event_writing import TERMINATE, boundary, error, event_subprocess, file, signal, timer

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid

MAIN = scope("startEvent s, userTask a b, endEvent e", "s -> a -> b -> e")


def in_sub(*events: str) -> str:
    """A sub-process with the user task `x` and `events`, then the user task `after`."""
    inside = scope("startEvent is, userTask x, endEvent ie", "is -> x -> ie")
    nodes, flows = "startEvent s, subProcess sub, userTask after, endEvent e", "s -> sub -> after -> e"
    return scope(nodes, flows, {"sub": "\n".join([inside, *events])})


def test_a_process_that_ends_waits_for_its_event_sub_processes_no_longer() -> None:
    run = Run(file(MAIN, event_subprocess("esp", timer())))
    assert run.waiting == ["esp_s"]
    assert run.do("a").waiting == ["esp_s"]
    assert run.do("b").ended


def test_an_interrupting_one_ends_its_scope_and_only_that() -> None:
    run = Run(file(in_sub(event_subprocess("esp", signal()))))
    assert run.wait("esp_s").get("token") != "process"
    assert run.receive("esp_s").open == ["handle"]
    assert run.waiting == []
    assert run.do("handle").open == ["after"]


def test_a_non_interrupting_one_holds_its_scope_until_it_has_ended() -> None:
    run = Run(file(in_sub(event_subprocess("esp", signal(), interrupting=False))))
    run.receive("esp_s").do("x")
    assert (run.open, run.waiting) == (["handle"], ["esp_s"])
    assert run.do("handle").open == ["after"]


def test_an_interrupted_scope_triggers_no_other_event_sub_process() -> None:
    both = event_subprocess("first", signal(), task="f"), event_subprocess("other", timer(), task="o")
    run = Run(file(MAIN, *both))
    assert run.waiting == ["first_s", "other_s"]
    assert run.receive("first_s").open == ["f"]
    assert run.waiting == []
    assert run.do("f").ended


def test_the_scope_around_an_interrupted_one_still_catches() -> None:
    run = Run(
        file(
            in_sub(event_subprocess("esp", signal())),
            event_subprocess("top", timer(), task="t"),
        )
    )
    run.receive("esp_s")
    assert (run.open, run.waiting) == (["handle"], ["top_s"])
    assert run.receive("top_s").open == ["t"]
    assert run.do("t").ended


def test_a_boundary_event_ends_an_event_sub_process_with_its_scope() -> None:
    model = in_sub(event_subprocess("esp", signal()))
    late = scope("userTask late", "b -> late")
    run = Run(file(model, late, boundary("b", "sub", timer())))
    run.receive("esp_s")
    assert run.receive("b").open == ["late"]
    assert run.do("late").ended


def test_every_entry_of_a_scope_waits_anew() -> None:
    inside = scope("startEvent is, userTask x, endEvent ie", "is -> x -> ie") + event_subprocess("esp", signal())
    loop = scope(
        "startEvent s, exclusiveGateway m again, subProcess sub, endEvent e",
        "s -> m -> sub -> again, again -> m [n < 2], again -> e [default]",
        {"sub": inside},
    )
    run = Run(file(loop))
    first = run.wait("esp_s").get("token")
    run.do("x", n=1)
    assert run.wait("esp_s").get("token") != first
    assert run.receive("esp_s").do("handle", n=2).ended


def test_terminate_in_an_event_sub_process_ends_that_alone() -> None:
    rest = scope("userTask h, endEvent he", "esp_s -> h -> he", {"he": TERMINATE})
    start = f'<bpmn:startEvent id="esp_s" isInterrupting="false">{signal()}</bpmn:startEvent>'
    run = Run(file(MAIN, f'<bpmn:subProcess id="esp" triggeredByEvent="true">{start}{rest}</bpmn:subProcess>'))
    assert run.receive("esp_s").do("h").open == ["a"]


@pytest.mark.parametrize(
    ("start", "complaint"),
    [
        ('<bpmn:startEvent id="i"/>', "startEvent 'i' .* has no event definition: say what it waits for"),
        (
            '<bpmn:startEvent id="i"><bpmn:compensateEventDefinition/></bpmn:startEvent>',
            "with compensateEventDefinition at the start",
        ),
        (
            f'<bpmn:startEvent id="i" isInterrupting="false">{error()}</bpmn:startEvent>',
            "catches an error without interrupting",
        ),
        (
            f'<bpmn:startEvent id="i">{signal()}</bpmn:startEvent><bpmn:startEvent id="j">{timer()}</bpmn:startEvent>',
            "second start event",
        ),
        ("", "subProcess 'esp' .* has no start event"),
    ],
)
def test_its_start_is_checked_at_deployment(start: str, complaint: str) -> None:
    with pytest.raises(DefinitionInvalid, match=complaint):
        parse(file(MAIN, f'<bpmn:subProcess id="esp" triggeredByEvent="true">{start}</bpmn:subProcess>'))


def test_no_flow_leads_to_it() -> None:
    model = MAIN.replace('targetRef="b"', 'targetRef="esp"')
    with pytest.raises(DefinitionInvalid, match="is an event sub-process and has the flow"):
        parse(file(model, event_subprocess("esp", timer())))


def test_an_embedded_sub_process_has_no_trigger() -> None:
    inside = f'<bpmn:startEvent id="is">{timer()}</bpmn:startEvent>'
    with pytest.raises(DefinitionInvalid, match="with timerEventDefinition at the start event of a sub-process"):
        parse(file(scope("startEvent s, subProcess sub, endEvent e", "s -> sub -> e", {"sub": inside})))
