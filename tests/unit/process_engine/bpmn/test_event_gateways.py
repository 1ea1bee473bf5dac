"""Event-based gateways (BPMN 2.0.2, 10.6.6): the first event decides."""

import pytest
from bpmn_writing import Run, scope
from event_writing import boundary, file, message, signal, timer

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid

GATEWAY = scope(
    "startEvent s, eventBasedGateway g, intermediateCatchEvent m t x, userTask a b c, endEvent e",
    "s -> g, g -> m -> a -> e, g -> t -> b -> e, g -> x -> c -> e",
    {"m": message(), "t": timer(), "x": signal()},
)


@pytest.mark.parametrize(("event", "task"), [("m", "a"), ("t", "b"), ("x", "c")])
def test_the_first_event_decides_and_the_others_are_waited_for_no_longer(event: str, task: str) -> None:
    run = Run(file(GATEWAY), order="1")
    assert (run.open, run.waiting) == ([], ["m", "t", "x"])
    assert len({wait.get("token") for wait in run.waits}) == 1
    assert run.receive(event, n=1).open == [task]
    assert (run.waiting, run.variables["n"]) == ([], 1)
    assert run.do(task).ended


def test_a_receive_task_may_follow() -> None:
    model = scope(
        "startEvent s, eventBasedGateway g, intermediateCatchEvent t, receiveTask r, userTask a b, endEvent e",
        "s -> g, g -> r -> a -> e, g -> t -> b -> e",
        {"t": timer()},
    ).replace('<bpmn:receiveTask id="r"', '<bpmn:receiveTask id="r" messageRef="m_paid"')
    run = Run(file(model), order="1")
    assert run.waiting == ["r", "t"]
    assert run.receive("r").open == ["a"]


def test_two_tokens_at_one_gateway_wait_apart() -> None:
    model = scope(
        "startEvent s, parallelGateway f, exclusiveGateway x, task t1 t2, eventBasedGateway g,"
        "intermediateCatchEvent m t, userTask a b, endEvent e",
        "s -> f, f -> t1 -> x, f -> t2 -> x, x -> g, g -> m -> a -> e, g -> t -> b -> e",
        {"m": signal(), "t": timer()},
    )
    run = Run(file(model))
    assert run.waiting == ["m", "t", "m", "t"]
    assert run.receive("m").open == ["a"]
    assert run.receive("t").open == ["a", "b"]
    assert run.waiting == []


@pytest.mark.parametrize(
    ("nodes", "flows", "complaint"),
    [
        ("intermediateCatchEvent m", "g -> m -> e", "waits for fewer than two events"),
        (
            "intermediateCatchEvent m, userTask a",
            "g -> m -> e, g -> a -> e",
            "leads to 'a', which is no catching event",
        ),
        (
            "intermediateCatchEvent m t, exclusiveGateway x",
            "g -> m -> e, g -> t -> x, x -> e, x -> t [default]",
            "must have no other incoming flow",
        ),
    ],
)
def test_what_may_follow_is_checked_at_deployment(nodes: str, flows: str, complaint: str) -> None:
    inner = {"m": signal(), "t": timer()}
    model = scope(f"startEvent s, eventBasedGateway g, {nodes}, endEvent e", f"s -> g, {flows}", inner)
    with pytest.raises(DefinitionInvalid, match=complaint):
        parse(file(model))


def test_what_follows_has_no_boundary_events_of_its_own() -> None:
    model = scope(
        "startEvent s, eventBasedGateway g, intermediateCatchEvent t, receiveTask r, endEvent e",
        "s -> g, g -> r -> e, g -> t -> e, b -> e",
        {"t": timer()},
    ).replace('<bpmn:receiveTask id="r"', '<bpmn:receiveTask id="r" messageRef="m_paid"')
    with pytest.raises(DefinitionInvalid, match="must have no boundary events"):
        parse(file(model, boundary("b", "r", signal())))


@pytest.mark.parametrize("attribute", ['instantiate="true"', 'eventGatewayType="Parallel"'])
def test_gateways_that_start_a_process_or_wait_for_all_are_refused(attribute: str) -> None:
    model = GATEWAY.replace('<bpmn:eventBasedGateway id="g"', f'<bpmn:eventBasedGateway id="g" {attribute}')
    with pytest.raises(DefinitionInvalid, match=f"eventBasedGateway 'g' .* with {attribute} is not supported"):
        parse(file(model))
