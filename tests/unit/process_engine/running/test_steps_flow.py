"""Where tokens go, element by element: what opens when, how often, and when an instance ends."""

from pathlib import Path

import pytest
from bpmn_writing import Run, process, scope

from process_engine.running.steps import complete
from process_engine.values.errors import EngineError, StepFailed, TokenUnknown


def model(nodes: str, flows: str, inner: dict[str, str] | None = None) -> bytes:
    return process(scope(nodes, flows, inner))


def test_a_sequence_opens_one_task_after_the_other() -> None:
    run = Run(model("startEvent s, serviceTask a, userTask b, endEvent e", "s -> a -> b -> e"))
    assert run.open == ["a"]
    assert run.do("a").open == ["b"]
    assert run.do("b").ended


def test_a_process_without_tasks_ends_at_once() -> None:
    assert Run(model("startEvent s, endEvent e", "s -> e"), x=1).variables == {"x": 1}


def test_manual_and_undefined_tasks_are_passed_through() -> None:
    run = Run(model("startEvent s, manualTask m, task t, userTask a, endEvent e", "s -> m -> t -> a -> e"))
    assert run.open == ["a"]
    assert run.do("a").ended


def test_a_node_without_outgoing_flows_ends_its_token() -> None:
    assert Run(model("startEvent s, serviceTask a", "s -> a")).do("a").ended
    assert Run(model("startEvent s, exclusiveGateway x", "s -> x")).ended
    assert Run(model("startEvent s", "")).ended


def test_ids_may_be_those_the_library_uses_itself() -> None:
    run = Run(model("startEvent Start, userTask Root p.EndJoin, endEvent End", "Start -> Root -> p.EndJoin -> End"))
    assert run.do("Root").open == ["p.EndJoin"]
    assert run.do("p.EndJoin").ended


def test_names_and_ids_may_be_korean() -> None:
    xml = model(
        "startEvent 시작, userTask 접수, exclusiveGateway 판단, userTask 처리, endEvent 끝",
        "시작 -> 접수 -> 판단, 판단 -> 처리 [vars['분류'] == '문제'], 판단 -> 끝 [default], 처리 -> 끝",
    ).replace('id="접수"'.encode(), 'id="접수" name="요청 접수"'.encode())
    run = Run(xml)
    assert (run.task("접수").activity_id, run.task("접수").activity_name) == ("접수", "요청 접수")
    assert run.do("접수", 분류="문제").open == ["처리"]
    assert Run(xml).do("접수", 분류="질문").ended


@pytest.mark.parametrize(("amount", "taken"), [(5, "low"), (50, "mid"), (500, "high")])
def test_an_exclusive_gateway_takes_the_first_true_condition_else_the_default(amount: int, taken: str) -> None:
    run = Run(
        model(
            "startEvent s, exclusiveGateway x, userTask low mid high, endEvent e",
            "s -> x, x -> high [default], x -> low [amount < 10], x -> mid [amount < 100],"
            "high -> e, mid -> e, low -> e",
        ),
        amount=amount,
    )
    assert run.open == [taken]
    assert run.do(taken).ended


def test_two_conditions_of_a_gateway_may_lead_to_the_same_task() -> None:
    xml = model(
        "startEvent s, exclusiveGateway x, userTask a b, endEvent e",
        "s -> x, x -> a [n == 1], x -> b [default], a -> e",
    )
    condition = "<bpmn:conditionExpression>n == 2</bpmn:conditionExpression>"
    second = f'<bpmn:sequenceFlow id="f" sourceRef="x" targetRef="a">{condition}</bpmn:sequenceFlow>'
    xml = xml.replace(b"</bpmn:process>", f"{second}</bpmn:process>".encode())
    assert [Run(xml, n=n).open for n in (1, 2, 3)] == [["a"], ["a"], ["b"]]


@pytest.mark.parametrize("kind", ["exclusiveGateway", "inclusiveGateway"])
def test_no_true_branch_and_no_default_fails_the_step_naming_the_gateway(kind: str) -> None:
    run = Run(
        model(
            f"startEvent s, userTask a, {kind} choice, endEvent e f",
            "s -> a -> choice, choice -> e [n == 1], choice -> f [n == 2]",
        )
    )
    before = run.state
    with pytest.raises(StepFailed) as caught:
        run.do("a", n=3)
    assert caught.value.element_id == "choice"
    assert caught.value.message == (
        "no outgoing condition is true (choice_e: n == 1, choice_f: n == 2) and there is no default flow"
    )
    assert run.state == before
    assert run.do("a", n=2).ended, "the task can still be completed after the failure"


@pytest.mark.parametrize("kind", ["exclusiveGateway", "inclusiveGateway"])
@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("missing", "Undefined variable or function: 'missing'"),
        ("missing == 1", "Undefined variable"),
        ("vars.order.id == 1", "there is no field 'order'"),
        ("n", "must give true or false; this gives 1"),
        ("null", "must give true or false; this gives None"),
        ("'true'", "must give true or false; this gives 'true'"),
        ("n > 'a'", "No such overload"),
    ],
)
def test_a_condition_that_cannot_be_evaluated_is_a_failure_and_never_true(
    kind: str, condition: str, reason: str
) -> None:
    xml = model(
        f"startEvent s, {kind} choice, endEvent e f", f"s -> choice, choice -> e [{condition}], choice -> f [default]"
    )
    with pytest.raises(StepFailed) as caught:
        Run(xml, n=1)
    assert caught.value.element_id == "choice"
    assert caught.value.message.startswith("the condition of flow 'choice_e' cannot be evaluated: ")
    assert reason in caught.value.message


def test_even_a_stored_definition_that_was_tampered_with_cannot_run_python(tmp_path: Path) -> None:
    xml = model(
        "startEvent s, userTask a, exclusiveGateway choice, endEvent e f",
        "s -> a -> choice, choice -> e [x], choice -> f [default]",
    )
    run, trace = Run(xml), tmp_path / "ran"
    flow = next(flow for flow in run.spec["graph"]["flows"] if flow["condition"])
    for python in (f"open('{trace}', 'w')", f"__import__('pathlib').Path('{trace}').touch()", "print(1)"):
        flow["condition"] = python
        with pytest.raises(StepFailed, match="choice: the condition of flow 'choice_e' cannot be evaluated"):
            run.do("a")
    assert not trace.exists()


def test_a_later_condition_is_not_asked_once_one_is_true() -> None:
    assert Run(model("startEvent s, exclusiveGateway x, endEvent e f", "s -> x, x -> e [true], x -> f [missing]")).ended


def test_a_gateway_with_one_flow_asks_its_condition() -> None:
    xml = model("startEvent s, exclusiveGateway x, endEvent e", "s -> x, x -> e [go]")
    assert Run(xml, go=True).ended
    with pytest.raises(StepFailed, match="no outgoing condition is true"):
        Run(xml, go=False)


def test_several_flows_out_of_a_task_each_get_a_token() -> None:
    run = Run(model("startEvent s, userTask a b c, endEvent e", "s -> a, a -> b -> e, a -> c -> e"))
    run.do("a")
    assert run.open == ["b", "c"]
    assert not run.do("b").ended
    assert run.do("c").ended


def test_an_instance_ends_when_all_its_ends_are_reached() -> None:
    run = Run(model("startEvent s, parallelGateway g, userTask a b, endEvent e f", "s -> g, g -> a -> e, g -> b -> f"))
    assert not run.do("b").ended
    assert run.do("a").ended


def test_a_loop_counts_the_activations_of_each_activity() -> None:
    run = Run(
        model(
            "startEvent s, exclusiveGateway again more, userTask a b, endEvent e",
            "s -> again -> a -> b -> more, more -> again [n < 3], more -> e [default]",
        )
    )
    for n in (1, 2, 3):
        assert (run.open, run.task("a").iteration) == (["a"], n)
        run.do("a")
        assert (run.open, run.task("b").iteration) == (["b"], n)
        run.do("b", n=n)
    assert run.ended
    assert run.trace == ["a", "b"] * 3


def test_a_flow_may_lead_straight_back_into_its_own_task() -> None:
    run = Run(
        model(
            "startEvent s, userTask a, exclusiveGateway x, endEvent e", "s -> a -> x, x -> a [n < 2], x -> e [default]"
        )
    )
    assert run.do("a", n=1).task("a").iteration == 2
    assert run.do("a", n=2).ended


def test_a_process_that_loops_without_ever_reaching_a_task_fails_instead_of_hanging() -> None:
    xml = model(
        "startEvent s, manualTask m, exclusiveGateway x, endEvent e", "s -> m -> x, x -> m [true], x -> e [default]"
    )
    with pytest.raises(StepFailed, match="without reaching a task: an endless loop") as caught:
        Run(xml)
    assert caught.value.element_id in {"m", "x"}


def test_a_loop_without_any_choice_fails_instead_of_hanging() -> None:
    with pytest.raises(StepFailed, match="an endless loop"):
        Run(model("startEvent s, manualTask m n", "s -> m -> n -> m"))


def test_a_long_chain_of_elements_is_no_endless_loop() -> None:
    ids = [f"m{number}" for number in range(2_000)]
    run = Run(model(f"startEvent s, manualTask {' '.join(ids)}, userTask a", " -> ".join(["s", *ids, "a"])))
    assert run.open == ["a"]


def test_a_token_far_down_a_chain_keeps_the_instance_from_ending() -> None:
    ids = [f"m{number}" for number in range(1_500)]
    nodes = f"startEvent s, parallelGateway fork, manualTask {' '.join(ids)}, userTask a, endEvent e"
    run = Run(model(nodes, f"s -> fork, {' -> '.join(['fork', *ids, 'a', 'e'])}, fork -> e"))
    assert run.open == ["a"]
    assert run.do("a").ended


@pytest.mark.parametrize("token", ["", "no uuid", "00000000-0000-0000-0000-000000000000"])
def test_a_token_that_never_was_is_unknown(token: str) -> None:
    run = Run(model("startEvent s, userTask a, endEvent e", "s -> a -> e"))
    with pytest.raises(TokenUnknown) as caught:
        complete(run.spec, run.state, token, {})
    assert caught.value.token_id == token
    assert isinstance(caught.value, EngineError)


def test_a_task_can_be_completed_only_once() -> None:
    run = Run(model("startEvent s, userTask a b, endEvent e", "s -> a -> b -> e"))
    first = run.task("a")
    run.do("a")
    with pytest.raises(TokenUnknown):
        complete(run.spec, run.state, first.token_id, {})
    run.do("b")
    with pytest.raises(TokenUnknown):
        complete(run.spec, run.state, first.token_id, {})


def test_a_token_that_waits_at_a_join_is_no_open_task() -> None:
    run = Run(model("startEvent s, parallelGateway g j, userTask a b", "s -> g, g -> a -> j, g -> b -> j"))
    run.do("a")
    waiting = next(token for token in run.state["tokens"] if token["at"] == "j")
    with pytest.raises(TokenUnknown):
        complete(run.spec, run.state, waiting["id"], {})


def test_tokens_differ_between_instances_of_a_process() -> None:
    xml = model("startEvent s, userTask a, endEvent e", "s -> a -> e")
    assert Run(xml).task("a").token_id != Run(xml).task("a").token_id


def test_a_state_of_another_definition_is_refused() -> None:
    run = Run(model("startEvent s, userTask a, endEvent e", "s -> a -> e"))
    other = Run(model("startEvent s, userTask b, endEvent e", "s -> b -> e"))
    with pytest.raises(EngineError, match="the state has a token at 'a', which is not in 'p': wrong definition"):
        complete(other.spec, run.state, run.task("a").token_id, {})
