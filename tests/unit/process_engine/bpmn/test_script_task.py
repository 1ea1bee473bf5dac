"""Script tasks: one expression in the safe language, one variable."""

import pytest
from bpmn_writing import Run, extensions, many, process, scope

from process_engine.reading.definition import parse
from process_engine.values.errors import DefinitionInvalid, StepFailed


def around(content: str, attributes: str = "") -> bytes:
    model = scope("startEvent s, scriptTask a, userTask after, endEvent e", "s -> a -> after -> e", {"a": content})
    return process(model.replace('<bpmn:scriptTask id="a"', f'<bpmn:scriptTask id="a"{attributes}'))


def script(expression: str, result: str = "total", more: str = "") -> str:
    return extensions(f'<zeebe:script expression="={expression}" resultVariable="{result}"/>{more}')


def test_a_script_puts_its_value_into_a_variable() -> None:
    run = Run(around(script("prices[0] + prices[1]")), prices=[2, 3])
    assert run.open == ["after"]
    assert run.variables == {"prices": [2, 3], "total": 5}


def test_mappings_go_in_and_out_of_a_script() -> None:
    mapping = (
        '<zeebe:ioMapping><zeebe:input source="=order.net" target="net"/>'
        '<zeebe:output source="=total" target="order.gross"/></zeebe:ioMapping>'
    )
    run = Run(around(script("net * 2", more=mapping)), order={"net": 10})
    assert run.variables == {"order": {"net": 10, "gross": 20}}


def test_a_script_that_cannot_be_evaluated_stops_the_step() -> None:
    with pytest.raises(StepFailed, match="the script cannot be evaluated") as caught:
        Run(around(script("missing + 1")))
    assert caught.value.element_id == "a"


def test_a_script_task_may_be_work_for_an_orchestrator() -> None:
    run = Run(around(extensions('<zeebe:taskDefinition type="worker"/>')))
    assert (run.open, run.task("a").orchestrator, run.task("a").agent_mode) == (["a"], "worker", "complete")


def test_each_instance_of_a_script_computes_its_own_result() -> None:
    loop = many('inputCollection="=ns" inputElement="n" outputCollection="squares" outputElement="=square"')
    run = Run(around(script("n * n", "square") + loop), ns=[1, 2, 3])
    assert run.variables == {"ns": [1, 2, 3], "squares": [1, 4, 9]}


@pytest.mark.parametrize(
    ("content", "attributes", "complaint"),
    [
        ("", "", "has nothing to run: add zeebe:script"),
        (script("a b"), "", "has an expression that cannot be run"),
        (script("a", ""), "", "has the resultVariable ''"),
        (script("a", "b.c"), "", "has the resultVariable 'b.c'"),
        (
            "<bpmn:script>os()</bpmn:script>",
            ' scriptFormat="python"',
            "has a script in python, which is not run",
        ),
        (script("a") + "<bpmn:script>x</bpmn:script>", "", "has a script in no named language"),
    ],
)
def test_a_script_task_that_cannot_be_run_is_refused(content: str, attributes: str, complaint: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(around(content, attributes))
    assert [complaint in problem.message for problem in caught.value.problems] == [True]
