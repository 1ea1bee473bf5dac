"""Errors and escalations (BPMN 2.0.2, 10.5.4): they go outwards until something catches them."""

import pytest
from bpmn_writing import WORKER, Run, extensions, scope
from event_writing import ANY_ERROR, ANY_ESCALATION, boundary, error, escalation, event_subprocess, file, mapped

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, StepFailed

HOST = scope("startEvent s, userTask a late, endEvent e e2", "s -> a -> e, b -> late -> e2")


def sub(end: str, *more: str) -> str:
    """A process with a sub-process in which a user task leads to the end event `t` with the definition `end`."""
    inside = scope("startEvent is, userTask x, endEvent t", "is -> x -> t", {"t": end})
    return scope(
        "startEvent s, subProcess sub, userTask after caught, endEvent e",
        "s -> sub -> after -> e, b -> caught -> e",
        {"sub": "\n".join([inside, *more])},
    )


@pytest.mark.parametrize("definition", [error(), ANY_ERROR])
def test_an_error_end_event_is_caught_at_the_boundary_of_its_sub_process(definition: str) -> None:
    run = Run(file(sub(error()), boundary("b", "sub", definition))).do("x")
    assert run.open == ["caught"]
    assert run.do("caught").ended


def test_an_error_ends_all_that_runs_in_the_sub_process_it_leaves() -> None:
    inside = scope(
        "startEvent is, parallelGateway g, userTask x y, endEvent t ie",
        "is -> g, g -> x -> t, g -> y -> ie",
        {"t": error()},
    )
    model = scope(
        "startEvent s, subProcess sub, userTask caught, endEvent e", "s -> sub -> e, b -> caught -> e", {"sub": inside}
    )
    run = Run(file(model, boundary("b", "sub", error())))
    assert sorted(run.open) == ["x", "y"]
    assert run.do("x").open == ["caught"]


def test_the_event_that_names_the_code_goes_before_the_one_that_catches_any() -> None:
    model = scope("startEvent s, userTask a named any, endEvent e", "s -> a -> e, b1 -> any -> e, b2 -> named -> e")
    run = Run(file(model, boundary("b1", "a", ANY_ERROR), boundary("b2", "a", error())))
    other = Run(file(model, boundary("b1", "a", ANY_ERROR), boundary("b2", "a", error())))
    assert run.do("a", bpmn_error={"code": "EMPTY"}).open == ["named"]
    assert other.do("a", bpmn_error={"code": "OTHER"}).open == ["any"]


def test_an_error_passes_what_does_not_catch_it_and_goes_on_outwards() -> None:
    inner = scope("startEvent ds, userTask x wrong, endEvent de", "ds -> x -> de, b1 -> wrong -> de")
    middle = scope(
        "startEvent ms, subProcess deep, endEvent me",
        "ms -> deep -> me",
        {"deep": inner + boundary("b1", "x", error("broken"))},
    )
    outer = scope(
        "startEvent s, subProcess mid, userTask caught, endEvent e", "s -> mid -> e, b -> caught -> e", {"mid": middle}
    )
    run = Run(file(outer, boundary("b", "mid", error())))
    assert run.do("x", bpmn_error={"code": "EMPTY"}).open == ["caught"]


@pytest.mark.parametrize("output", [{"bpmn_error": {"code": "EMPTY"}}])
def test_an_error_that_nothing_catches_is_an_incident(output: dict[str, object]) -> None:
    run = Run(file(HOST, boundary("b", "a", error("broken"))))
    with pytest.raises(StepFailed, match="a: it throws the error 'EMPTY', which no boundary event"):
        run.do("a", **output)
    with pytest.raises(StepFailed, match="t: it throws the error 'EMPTY'"):
        Run(file(sub(error()), boundary("b", "sub", error("broken")))).do("x")


def test_a_task_throws_an_error_with_its_output() -> None:
    work = scope("startEvent s, serviceTask a, userTask late, endEvent e", "s -> a -> e, b -> late -> e")
    run = Run(file(work, boundary("b", "a", error())))
    run.do("a", bpmn_error={"code": "EMPTY", "message": "None left.", "variables": {"sku": "A-1"}})
    assert (run.open, run.variables) == (["late"], {"sku": "A-1"})


def test_output_mappings_see_the_code_the_message_and_the_variables() -> None:
    content = mapped("output", "=error.code + ': ' + error.message + ' ' + sku", "why") + error()
    run = Run(file(HOST, boundary("b", "a", content)))
    run.do("a", bpmn_error={"code": "EMPTY", "message": "none left", "variables": {"sku": "A-1"}})
    assert run.variables == {"why": "EMPTY: none left A-1"}


@pytest.mark.parametrize(
    ("thrown", "complaint"),
    [
        ("EMPTY", "must be {code, message\\?, variables\\?}"),
        ({"code": ""}, "code must be text that is not empty"),
        ({"code": 7}, "code must be text"),
        ({"code": "X", "message": 1}, "message must be text"),
        ({"code": "X", "variables": []}, "variables must be an object"),
        ({"code": "X", "why": "?"}, "must be {code, message\\?, variables\\?}"),
    ],
)
def test_an_error_of_another_form_is_an_incident(thrown: object, complaint: str) -> None:
    with pytest.raises(StepFailed, match=complaint):
        Run(file(HOST, boundary("b", "a", ANY_ERROR))).do("a", bpmn_error=thrown)


def test_bpmn_error_beside_other_fields_is_an_output_like_any_other() -> None:
    run = Run(file(HOST, boundary("b", "a", ANY_ERROR)))
    assert run.do("a", bpmn_error={"code": "EMPTY"}, more=1).ended


@pytest.mark.parametrize("definition", [error(), ANY_ERROR])
def test_an_error_is_caught_by_an_event_sub_process_of_its_scope(definition: str) -> None:
    run = Run(file(sub(error(), event_subprocess("esp", definition)), boundary("b", "sub", error()))).do("x")
    assert run.open == ["handle"]
    assert run.do("handle").open == ["after"], "the sub-process ends as usual when its event sub-process has ended"


def test_an_error_in_an_event_sub_process_goes_to_the_scope_around() -> None:
    esp_inside = scope("userTask h, endEvent he", "esp_s -> h -> he", {"he": error()})
    start = f'<bpmn:startEvent id="esp_s">{error()}</bpmn:startEvent>'
    esp = f'<bpmn:subProcess id="esp" triggeredByEvent="true">{start}{esp_inside}</bpmn:subProcess>'
    run = Run(file(sub(error(), esp), boundary("b", "sub", error()))).do("x")
    assert run.open == ["h"]
    assert run.do("h").open == ["caught"]


def test_an_error_always_interrupts() -> None:
    with pytest.raises(DefinitionInvalid, match="catches an error without interrupting"):
        parse(file(HOST, boundary("b", "a", error(), interrupting=False)))


@pytest.mark.parametrize("definition", [escalation(), ANY_ESCALATION])
@pytest.mark.parametrize("interrupting", [True, False])
def test_an_escalation_end_event_is_caught_at_the_boundary(definition: str, interrupting: bool) -> None:
    run = Run(file(sub(escalation()), boundary("b", "sub", definition, interrupting))).do("x")
    assert sorted(run.open) == (["caught"] if interrupting else ["after", "caught"])


@pytest.mark.parametrize("interrupting", [True, False])
def test_an_intermediate_escalation_goes_on_unless_it_was_interrupted(interrupting: bool) -> None:
    inside = scope(
        "startEvent is, intermediateThrowEvent t, userTask x, endEvent ie", "is -> t -> x -> ie", {"t": escalation()}
    )
    model = scope(
        "startEvent s, subProcess sub, userTask caught, endEvent e", "s -> sub -> e, b -> caught -> e", {"sub": inside}
    )
    run = Run(file(model, boundary("b", "sub", escalation(), interrupting)))
    assert sorted(run.open) == (["caught"] if interrupting else ["caught", "x"])


@pytest.mark.parametrize("caught_by", ["", boundary("b", "sub", escalation("big"))])
def test_an_escalation_that_nothing_catches_is_over(caught_by: str) -> None:
    model = (
        sub(escalation())
        if caught_by
        else sub(escalation()).replace("b_caught", "sub_caught").replace('sourceRef="b"', 'sourceRef="sub"')
    )
    assert "after" in Run(file(model, caught_by)).do("x").open


@pytest.mark.parametrize("interrupting", [True, False])
def test_an_escalation_is_caught_by_an_event_sub_process(interrupting: bool) -> None:
    esp = event_subprocess("esp", escalation(), interrupting)
    inside = scope(
        "startEvent is, intermediateThrowEvent t, userTask x, endEvent ie", "is -> t -> x -> ie", {"t": escalation()}
    )
    model = scope(
        "startEvent s, subProcess sub, userTask after, endEvent e", "s -> sub -> after -> e", {"sub": inside + esp}
    )
    run = Run(file(model))
    assert sorted(run.open) == (["handle"] if interrupting else ["handle", "x"])
    if not interrupting:
        run.do("x")
    assert run.do("handle").open == ["after"]


def test_an_error_of_one_instance_ends_a_whole_multi_instance() -> None:
    marker, number = "multiInstanceLoopCharacteristics", "<bpmn:loopCardinality>3</bpmn:loopCardinality>"
    many = f"<bpmn:{marker}>{number}</bpmn:{marker}>"
    work = scope(
        "startEvent s, serviceTask a, userTask late, endEvent e",
        "s -> a -> e, b -> late -> e",
        {"a": extensions(WORKER) + many},
    )
    run = Run(file(work, boundary("b", "a", error())))
    assert run.open == ["a"] * 3
    assert run.do("a").do("a", bpmn_error={"code": "EMPTY"}).open == ["late"]
    assert run.do("late").ended
