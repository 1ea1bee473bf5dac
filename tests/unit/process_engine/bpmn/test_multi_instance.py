"""Multi-instance and loops (BPMN 2.0.2, 10.3.7 and 10.3.8): how often an activity runs, on what, and what comes out."""

import pytest
from bpmn_writing import WORKER, Run, extensions, many, process, scope

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, StepFailed

INNER = scope("startEvent is, userTask x y, endEvent ie", "is -> x -> y -> ie")


def around(activity: str, content: str, after: str = "after") -> bytes:
    """start -> the activity `a` with this content -> user task `after` -> end."""
    return process(
        scope(f"startEvent s, {activity} a, userTask {after}, endEvent e", f"s -> a -> {after} -> e", {"a": content})
    )


EACH = 'inputCollection="=names" inputElement="name"'
COLLECTED = EACH + ' outputCollection="answers" outputElement="=answer"'


def test_a_parallel_multi_instance_opens_a_task_for_each_element_at_once() -> None:
    run = Run(around("userTask", many(EACH)), names=["ann", "bob", "cid"])
    assert run.open == ["a", "a", "a"]
    assert [task.iteration for task in run.tasks] == [1, 2, 3]
    assert [task.input["name"] for task in run.tasks] == ["ann", "bob", "cid"]
    assert [task.input["loopCounter"] for task in run.tasks] == [1, 2, 3]
    assert run.do("a").do("a").open == ["a"]
    assert run.do("a").open == ["after"]
    assert not {"name", "loopCounter"} & run.variables.keys()
    assert run.do("after").ended


def test_a_sequential_multi_instance_opens_the_next_task_when_the_one_before_is_done() -> None:
    run = Run(around("userTask", many(EACH, sequential=True)), names=["ann", "bob"])
    assert run.open == ["a"]
    assert (run.task("a").input["name"], run.task("a").iteration) == ("ann", 1)
    assert run.do("a", names=[]).open == ["a"]
    assert (run.task("a").input["name"], run.task("a").iteration) == ("bob", 2)
    assert run.do("a").open == ["after"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_results_stand_in_the_order_of_the_elements_whatever_is_done_first(order: tuple[int, ...]) -> None:
    run = Run(around("userTask", many(COLLECTED)), names=["ann", "bob", "cid"])
    tasks = list(run.tasks)
    for place in order:
        run.complete(tasks[place], {"answer": f"{tasks[place].input['name']}!"})
    assert run.variables["answers"] == ["ann!", "bob!", "cid!"]
    assert "answer" not in run.variables, "each instance has an answer of its own"


def test_results_of_output_mappings_are_collected_too() -> None:
    mapping = '<zeebe:ioMapping><zeebe:output source="=given * 2" target="answer"/></zeebe:ioMapping>'
    run = Run(around("serviceTask", extensions(WORKER + mapping) + many(COLLECTED)), names=["ann", "bob"])
    run.do("a", given=1).do("a", given=2)
    assert run.variables == {"names": ["ann", "bob"], "answers": [2, 4]}


@pytest.mark.parametrize("sequential", [False, True])
def test_an_empty_collection_is_passed_through(sequential: bool) -> None:
    run = Run(around("userTask", many(COLLECTED, sequential=sequential)), names=[])
    assert run.open == ["after"]
    assert run.variables["answers"] == []


def test_a_completion_condition_withdraws_the_instances_that_still_run() -> None:
    until = "<bpmn:completionCondition>=numberOfCompletedInstances == 2</bpmn:completionCondition>"
    run = Run(around("userTask", many(COLLECTED, until)), names=["ann", "bob", "cid"])
    first, second, third = run.tasks
    run.complete(third, {"answer": 3}).complete(first, {"answer": 1})
    assert run.step.cancelled == [second.token_id]
    assert run.open == ["after"]
    assert run.variables["answers"] == [1, None, 3]


def test_a_completion_condition_sees_what_the_instance_gave_and_ends_a_sequence() -> None:
    until = "<bpmn:completionCondition>=answer == 'stop'</bpmn:completionCondition>"
    run = Run(around("userTask", many(COLLECTED, until, sequential=True)), names=["ann", "bob", "cid"])
    run.do("a", answer="go on").do("a", answer="stop")
    assert run.open == ["after"]
    assert run.variables["answers"] == ["go on", "stop", None]


@pytest.mark.parametrize("number", ["3", "=count", "=size(things)"])
def test_loop_cardinality_says_how_often(number: str) -> None:
    loop = many(inside=f"<bpmn:loopCardinality>{number}</bpmn:loopCardinality>")
    run = Run(around("userTask", loop), count=3, things=[1, 2, 3])
    assert run.open == ["a", "a", "a"]


def test_a_sub_process_runs_once_for_each_element_and_its_instances_do_not_mix() -> None:
    run = Run(around("subProcess", INNER + many(COLLECTED.replace("=answer", "=name + answer"))), names=["n", "m"])
    assert [task.input["name"] for task in run.tasks] == ["n", "m"]
    run.do("x")
    assert run.open == ["x", "y"]
    assert run.task("y").input["name"] == "n"
    run.do("x")
    assert [task.iteration for task in run.tasks] == [1, 2]
    with pytest.raises(StepFailed, match="outputElement cannot be evaluated"):
        run.do("y")
    run.do("y", answer="1").do("y", answer="2")
    assert run.variables["answers"] == ["n1", "m2"]


def test_a_sequential_sub_process_goes_on_when_everything_inside_has_ended() -> None:
    run = Run(around("subProcess", INNER + many(EACH, sequential=True)), names=["n", "m"])
    trace = []
    while run.open != ["after"]:
        trace.append((run.open[0], run.tasks[0].input["name"]))
        run.do(run.open[0])
    assert trace == [("x", "n"), ("y", "n"), ("x", "m"), ("y", "m")]


def test_multi_instances_nest_and_each_sees_its_own_element() -> None:
    inner = scope("startEvent is, userTask x, endEvent ie", "is -> x -> ie", {"x": many(
        'inputCollection="=row" inputElement="cell" outputCollection="cells" outputElement="=value"')})  # fmt: skip
    loop = many('inputCollection="=rows" inputElement="row" outputCollection="table" outputElement="=cells"')
    run = Run(around("subProcess", inner + loop), rows=[[1, 2], [], [3]])
    assert [(task.input["row"], task.input["cell"]) for task in run.tasks] == [([1, 2], 1), ([1, 2], 2), ([3], 3)]
    for task in list(run.tasks):
        run.complete(task, {"value": task.input["cell"] * 10})
    assert run.variables["table"] == [[10, 20], [], [30]]
    assert run.variables.keys() == {"rows", "table"}


def test_withdrawn_sub_processes_take_their_tasks_with_them() -> None:
    until = "<bpmn:completionCondition>=true</bpmn:completionCondition>"
    run = Run(around("subProcess", INNER + many(EACH, until)), names=["n", "m", "o"])
    run.complete(run.tasks[1], {})
    assert run.open == ["x", "x", "y"]
    run.do("y")
    assert run.open == ["after"]
    assert len(run.step.cancelled) == 2
    assert run.do("after").ended


def test_an_activity_that_needs_nobody_repeats_within_one_step() -> None:
    run = Run(around("manualTask", many(EACH)), names=["n"] * 500)
    assert run.open == ["after"]


def test_coming_back_to_a_multi_instance_counts_its_activations_on() -> None:
    model = process(
        scope(
            "startEvent s, userTask a, exclusiveGateway g, endEvent e",
            "s -> a -> g, g -> a [again], g -> e [default]",
            {"a": many(EACH)},
        )
    )
    run = Run(model, names=["n", "m"], again=True)
    run.do("a").do("a")
    assert [task.iteration for task in run.tasks] == [3, 4]
    assert run.do("a", again=False).do("a").ended


@pytest.mark.parametrize(
    ("attributes", "inside", "names", "reason"),
    [
        (EACH, "", "ann", "inputCollection must be a list; its expression gives 'ann'"),
        (EACH, "", None, "inputCollection must be a list"),
        (EACH, "", [0] * 1001, "1001 instances of this activity; at most 1000 may be"),
        ('inputCollection="=nobody" inputElement="n"', "", [], "inputCollection cannot be evaluated"),
        ("", "<bpmn:loopCardinality>=-1</bpmn:loopCardinality>", [], "whole number from 0 on; it is -1"),
        ("", "<bpmn:loopCardinality>=1.5</bpmn:loopCardinality>", [], "whole number from 0 on; it is 1.5"),
        ("", "<bpmn:loopCardinality>=true</bpmn:loopCardinality>", [], "whole number from 0 on; it is True"),
    ],
)
def test_what_is_no_collection_and_no_number_stops_the_step(
    attributes: str, inside: str, names: object, reason: str
) -> None:
    with pytest.raises(StepFailed, match=reason) as caught:
        Run(around("userTask", many(attributes, inside)), names=names)
    assert caught.value.element_id == "a"


def loop(attributes: str = "", condition: str = "") -> str:
    inside = f"<bpmn:loopCondition>={condition}</bpmn:loopCondition>" if condition else ""
    return f"<bpmn:standardLoopCharacteristics {attributes}>{inside}</bpmn:standardLoopCharacteristics>"


def test_a_standard_loop_repeats_while_its_condition_holds_and_tests_afterwards() -> None:
    run = Run(around("userTask", loop(condition="!done")), done=True)
    assert run.open == ["a"], "tested after the first time"
    assert run.do("a", done=False).task("a").iteration == 2
    assert run.do("a", done=True).open == ["after"]


def test_a_standard_loop_may_test_before_the_first_time() -> None:
    assert Run(around("userTask", loop('testBefore="true"', "!done")), done=True).open == ["after"]
    run = Run(around("userTask", loop('testBefore="true"', "loopCounter &lt; 2")))
    assert run.do("a").open == ["a"]
    assert run.do("a").open == ["after"]


def test_a_standard_loop_stops_at_its_maximum() -> None:
    run = Run(around("subProcess", INNER + loop('loopMaximum="2"')))
    assert run.do("x").do("y").do("x").open == ["y"]
    assert run.do("y").open == ["after"]


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        (many(), "must say how many times, once"),
        (many(EACH, "<bpmn:loopCardinality>2</bpmn:loopCardinality>"), "must say how many times, once"),
        (many('inputElement="n"', "<bpmn:loopCardinality>2</bpmn:loopCardinality>"), "without an inputCollection"),
        (many(EACH + ' outputElement="=x"'), "needs outputCollection and outputElement together"),
        (many('inputCollection="=a b" inputElement="n"'), "syntax error"),
        (many('inputCollection="=a" inputElement="n.m"'), "inputElement 'n.m'; it is the name of a variable"),
        (many(EACH, "<bpmn:completionCondition>x =</bpmn:completionCondition>"), "a loop that cannot be run"),
        (many(EACH, "<bpmn:loopDataInputRef>d</bpmn:loopDataInputRef>"), "loopDataInputRef in its loop"),
        (many(EACH, "<bpmn:complexBehaviorDefinition/>"), "complexBehaviorDefinition in its loop is not supported"),
        (many(EACH).replace("Characteristics>", 'Characteristics behavior="One">', 1), 'behavior="One"'),
        (loop(), "a loop without an end"),
        (loop('loopMaximum="-1"'), 'loopMaximum="-1"'),
        (many(EACH) + loop(condition="x"), "has two loop markers"),
    ],
)  # fmt: skip
def test_a_marker_that_cannot_be_run_is_refused_with_what_to_write(marker: str, complaint: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(around("userTask", marker))
    (problem,) = caught.value.problems
    assert complaint in problem.message
    assert problem.message.startswith("userTask 'a' (line 4) ")
