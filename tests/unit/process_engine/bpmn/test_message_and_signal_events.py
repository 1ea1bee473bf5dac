"""Messages and signals (BPMN 2.0.2, 10.5.5): who waits for what, what is sent, and what becomes of the data."""

import pytest
from bpmn_writing import WORKER, Run, extensions, scope
from event_writing import boundary, event_subprocess, file, mapped, message, signal

from process_engine.reading.definition import parse
from process_engine.running.steps import receive
from process_engine.values.errors import StepFailed, TokenUnknown

CATCH = "startEvent s, intermediateCatchEvent c, userTask a, endEvent e"
HOST = scope("startEvent s, userTask a late, endEvent e e2", "s -> a -> e, b -> late -> e2")


def catching(definition: str) -> bytes:
    return file(scope(CATCH, "s -> c -> a -> e", {"c": definition}))


def throwing(kind: str, definition: str) -> bytes:
    if kind == "endEvent":
        return file(scope("startEvent s, endEvent t", "s -> t", {"t": definition}))
    return file(scope(f"startEvent s, {kind} t, userTask a, endEvent e", "s -> t -> a -> e", {"t": definition}))


def test_a_message_is_waited_for_by_name_and_key() -> None:
    run = Run(catching(message()), order="o-1")
    wait = run.wait("c")
    assert (wait["kind"], wait.get("name"), wait.get("correlation_key"), wait["once"]) == (
        "message",
        "paid",
        "o-1",
        True,
    )
    assert run.receive("c", amount=7).open == ["a"]
    assert run.variables == {"order": "o-1", "amount": 7}
    assert run.do("a").ended


def test_a_correlation_key_may_be_a_whole_number_and_becomes_text() -> None:
    assert Run(catching(message()), order=17).wait("c").get("correlation_key") == "17"


@pytest.mark.parametrize("order", [None, True, 1.5, ["a"]])
def test_a_correlation_key_that_is_neither_text_nor_a_number_is_an_incident(order: object) -> None:
    with pytest.raises(StepFailed, match="c: the correlationKey must be text or a whole number"):
        Run(catching(message()), order=order)


def test_a_signal_is_waited_for_by_name() -> None:
    run = Run(catching(signal()))
    assert (run.wait("c")["kind"], run.wait("c").get("name")) == ("signal", "stop")
    assert run.receive("c").open == ["a"]


def test_output_mappings_say_what_becomes_of_the_data() -> None:
    run = Run(catching(mapped("output", "=amount * 2", "doubled") + signal()))
    assert run.receive("c", amount=7).variables == {"doubled": 14}


def test_what_is_not_waited_for_is_not_received() -> None:
    run = Run(catching(signal()))
    token = str(run.wait("c").get("token"))
    run.receive("c")
    with pytest.raises(TokenUnknown):
        receive(run.spec, run.state, token, "c", {})


def test_a_receive_task_waits_for_its_message() -> None:
    model = scope("startEvent s, receiveTask r, userTask a, endEvent e", "s -> r -> a -> e")
    run = Run(
        file(model.replace('<bpmn:receiveTask id="r"', '<bpmn:receiveTask id="r" messageRef="m_paid"')), order="1"
    )
    assert (run.open, run.wait("r").get("name")) == ([], "paid")
    assert run.receive("r", n=1).open == ["a"]


def test_a_receive_task_may_have_a_boundary_event() -> None:
    model = scope("startEvent s, receiveTask a, userTask late, endEvent e", "s -> a -> e, b -> late -> e")
    model = model.replace('<bpmn:receiveTask id="a"', '<bpmn:receiveTask id="a" messageRef="m_paid"')
    run = Run(file(model, boundary("b", "a", signal())), order="1")
    assert run.waiting == ["a", "b"]
    assert run.receive("b").open == ["late"]
    assert run.waiting == []


@pytest.mark.parametrize("definition", [message(), signal()])
@pytest.mark.parametrize("interrupting", [True, False])
def test_a_boundary_event_takes_the_token_over_or_lets_it_be(definition: str, interrupting: bool) -> None:
    run = Run(file(HOST, boundary("b", "a", definition, interrupting)), order="1")
    assert (run.open, run.waiting, run.wait("b")["once"]) == (["a"], ["b"], interrupting)
    assert run.receive("b", n=1).open == (["late"] if interrupting else ["a", "late"])
    assert run.variables["n"] == 1


def test_a_non_interrupting_boundary_message_may_come_again_and_again() -> None:
    run = Run(file(HOST, boundary("b", "a", message(), interrupting=False)), order="1")
    for times in (1, 2, 3):
        assert run.receive("b").open == ["a", *["late"] * times]
    run.do("a")
    assert run.waiting == []


@pytest.mark.parametrize("definition", [message("asked"), signal()])
def test_a_message_or_signal_starts_a_process(definition: str) -> None:
    start = f'<bpmn:startEvent id="m">{definition}</bpmn:startEvent>'
    model = file(start, scope("startEvent s, userTask a, endEvent e", "s -> a -> e, m -> a"))
    (opened,) = parse(model).spec["starts"]
    assert (opened["element"], opened["name"]) == ("m", "asked" if "message" in definition else "stop")
    assert Run(model, start_event="m", payload={"n": 1}, initiator="ann").variables == {"initiator": "ann", "n": 1}
    assert Run(model, n=2).variables == {"n": 2}


def test_a_message_start_maps_what_it_brings() -> None:
    start = f'<bpmn:startEvent id="m">{mapped("output", "=n + 1", "next")}{message("asked")}</bpmn:startEvent>'
    run = Run(file(start, scope("userTask a, endEvent e", "m -> a -> e")), start_event="m", payload={"n": 1})
    assert run.variables == {"next": 2}


@pytest.mark.parametrize("kind", ["intermediateThrowEvent", "endEvent"])
def test_a_thrown_message_leaves_with_its_key_and_what_is_mapped(kind: str) -> None:
    run = Run(throwing(kind, mapped("input", "=amount", "paid_amount") + message()), order="1", amount=5)
    (sent,) = run.sent
    assert sent == {
        "kind": "message", "element": "t", "name": "paid", "correlation_key": "1", "variables": {"paid_amount": 5},
        "not_to": [],
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["intermediateThrowEvent", "endEvent"])
def test_a_thrown_signal_leaves_without_data_unless_mapped(kind: str) -> None:
    (sent,) = Run(throwing(kind, signal("go")), amount=5).sent
    assert (sent["kind"], sent["name"], sent["variables"]) == ("signal", "go", {})


def test_a_send_task_throws_its_message_or_is_work_for_an_agent() -> None:
    model = scope("startEvent s, sendTask t, userTask a, endEvent e", "s -> t -> a -> e", {"t": "TASK"})
    throws = file(
        model.replace('<bpmn:sendTask id="t"', '<bpmn:sendTask id="t" messageRef="m_asked"').replace("TASK", "")
    )
    run = Run(throws)
    assert ([sent["name"] for sent in run.sent], run.open) == (["asked"], ["a"])
    works = Run(file(model.replace("TASK", extensions(WORKER))))
    assert (works.sent, works.open, works.task("t").orchestrator) == ([], ["t"], "worker")


def test_a_signal_does_not_go_to_what_waits_only_afterwards() -> None:
    model = scope(
        "startEvent s, intermediateThrowEvent t, intermediateCatchEvent c, endEvent e", "s -> t -> c -> e",
        {"t": signal(), "c": signal()},
    )  # fmt: skip
    run = Run(file(model))
    assert run.sent[0]["not_to"] == [(run.wait("c").get("token"), "c")]


@pytest.mark.parametrize("definition", [message(), signal()])
@pytest.mark.parametrize("interrupting", [True, False])
def test_an_event_sub_process_takes_the_tokens_over_or_lets_them_be(definition: str, interrupting: bool) -> None:
    esp = event_subprocess("esp", definition, interrupting)
    run = Run(file(scope("startEvent s, userTask a, endEvent e", "s -> a -> e"), esp), order="1")
    assert run.wait("esp_s").get("token") == "process"
    run.receive("esp_s", n=1)
    assert sorted(run.open) == (["handle"] if interrupting else ["a", "handle"])
    if not interrupting:
        assert sorted(run.receive("esp_s").open) == ["a", "handle", "handle"]
        run.do("a").do("handle")
    assert run.do("handle").ended


def test_names_may_be_expressions() -> None:
    run = Run(
        file(scope(CATCH, "s -> c -> a -> e", {"c": signal()})).replace(b'name="stop"', b"name=\"='stop-' + area\""),
        area="x",
    )
    assert run.wait("c").get("name") == "stop-x"
