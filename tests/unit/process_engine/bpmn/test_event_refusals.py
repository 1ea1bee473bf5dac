"""What is wrong with an event is said at deployment, with its element, its id and its line."""

import pytest
from bpmn_writing import extensions, scope
from event_writing import boundary, error, escalation, file, message, signal, timer

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, Problem

NOT_YET = "is not supported yet by this version"


def problems_of(*content: str) -> list[Problem]:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(file(*content))
    return caught.value.problems


def with_event(kind: str, definition: str) -> str:
    """A process whose event `x` of this kind, in line 4, has this definition."""
    if kind == "endEvent":
        return scope("startEvent s, endEvent x", "s -> x", {"x": definition})
    if kind == "startEvent":
        return scope("endEvent e, startEvent x", "x -> e", {"x": definition})
    return scope(f"startEvent s, {kind} x, endEvent e", "s -> x -> e", {"x": definition})


@pytest.mark.parametrize(
    ("kind", "definition", "name"),
    [
        ("intermediateCatchEvent", error(), "errorEventDefinition"),
        ("intermediateCatchEvent", escalation(), "escalationEventDefinition"),
        ("intermediateCatchEvent", "<bpmn:conditionalEventDefinition/>", "conditionalEventDefinition"),
        ("intermediateThrowEvent", timer(), "timerEventDefinition"),
        ("intermediateThrowEvent", error(), "errorEventDefinition"),
        ("endEvent", timer(), "timerEventDefinition"),
        ("endEvent", "<bpmn:cancelEventDefinition/>", "cancelEventDefinition"),
        ("startEvent", error(), "errorEventDefinition"),
        ("startEvent", "<bpmn:terminateEventDefinition/>", "terminateEventDefinition"),
    ],
)
def test_a_trigger_that_does_not_run_at_its_place_is_refused_by_name(kind: str, definition: str, name: str) -> None:
    found = [problem for problem in problems_of(with_event(kind, definition)) if problem.element_id == "x"]
    where = " at the start event of a process" if kind == "startEvent" and "conditional" not in name else ""
    assert [problem.message for problem in found] == [f"{kind} 'x' (line {found[0].line}) with {name}{where} {NOT_YET}"]


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ("", "has no event definition: say what it waits for"),
        (timer() + signal(), "has 2 event definitions; exactly one is supported"),
        ("<bpmn:messageEventDefinition/>", "has no messageRef; choose the message it is about"),
        (
            '<bpmn:signalEventDefinition signalRef="s_gone"/>',
            "has the signalRef 's_gone', which the file does not have",
        ),
        (message("asked"), "waits for the message 'asked', which has no correlation key; add zeebe:subscription"),
        ("<bpmn:timerEventDefinition/>", "without exactly one of timeDate, timeDuration and timeCycle"),
        (timer("R3/PT1M", "timeCycle"), "has a timeCycle but happens only once"),
        (timer("= 1 +"), "has an expression that cannot be run"),
        (extensions('<zeebe:taskDefinition type="x"/>') + signal(), "has zeebe:taskDefinition, which is not supported"),
    ],
)
def test_a_catching_event_that_cannot_wait_is_refused(definition: str, complaint: str) -> None:
    (problem,) = problems_of(with_event("intermediateCatchEvent", definition))
    assert (problem.element_id, problem.line) == ("x", 4)
    assert complaint in problem.message


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ("<bpmn:errorEventDefinition/>", "has no errorRef; choose the error it is about"),
        ("<bpmn:escalationEventDefinition/>", "has no escalationRef; choose the escalation it is about"),
    ],
)
def test_what_is_thrown_must_be_named(definition: str, complaint: str) -> None:
    (problem,) = problems_of(with_event("endEvent", definition))
    assert complaint in problem.message


def test_an_error_without_a_code_cannot_be_thrown_or_caught_by_name() -> None:
    model = file(with_event("endEvent", error())).replace(b' errorCode="EMPTY"', b"")
    with pytest.raises(DefinitionInvalid, match="throws an error without an errorCode; give it one"):
        parse(model)


@pytest.mark.parametrize("host", ["s", "nobody", "g"])
def test_a_boundary_event_stands_at_an_activity_of_its_scope(host: str) -> None:
    model = scope("startEvent s, exclusiveGateway g, userTask a, endEvent e", "s -> g -> a -> e, b -> e")
    found = problems_of(model, boundary("b", host, timer()))
    assert f"boundaryEvent 'b' (line 11) is attached to '{host}', which is no activity of the same scope" in [
        problem.message for problem in found
    ]


def test_a_boundary_event_has_no_incoming_flow() -> None:
    model = scope("startEvent s, userTask a, endEvent e", "s -> a -> b, b -> e")
    found = problems_of(model, boundary("b", "a", timer()))
    assert any("leads into the boundary event 'b'" in problem.message for problem in found)


def test_a_receive_task_needs_its_message() -> None:
    (problem,) = problems_of(scope("startEvent s, receiveTask r, endEvent e", "s -> r -> e"))
    assert problem == Problem("r", 4, "receiveTask 'r' (line 4) has no messageRef; choose the message it is about")


def test_a_send_task_without_a_message_needs_an_orchestrator() -> None:
    (problem,) = problems_of(scope("startEvent s, sendTask t, endEvent e", "s -> t -> e"))
    assert "has no task type; add zeebe:taskDefinition" in problem.message


def test_several_starts_are_several_triggers() -> None:
    model = with_event("startEvent", signal()) + scope("startEvent s2 s3", "s2 -> e, s3 -> e")
    assert [problem.element_id for problem in problems_of(model)] == ["s3"]


@pytest.mark.parametrize("text", ["=days", "='soon'"])
def test_a_timer_that_starts_a_process_has_no_variables(text: str) -> None:
    (problem,) = problems_of(with_event("startEvent", timer(text)))
    assert "startEvent 'x' (line 4) cannot start anything: the timer cannot be set" in problem.message
