"""Call activities: the called process runs inside the call, with variables and a version of its own."""

from typing import Any

import pytest
from bpmn_writing import Run, extensions, many, process, scope

from process_engine.reading.definition import parse
from process_engine.reading.settings.bindings import Call
from process_engine.running import steps
from process_engine.values.errors import DefinitionInvalid, StepFailed
from process_engine.values.library import Deployed, Library, NotAtHand

CHILD = scope("startEvent cs, userTask x y, endEvent ce", "cs -> x -> y -> ce")


def library(**models: bytes | None) -> Library:
    """The newest versions; each is its version 7."""
    built = Library()
    for name, model in models.items():
        deployed = None if model is None else Deployed(7, parse(model).spec)
        built.add(NotAtHand("process", name, None), deployed)
    return built


def child(content: str = CHILD, process_id: str = "child") -> bytes:
    return process(content, f'id="{process_id}" isExecutable="true"')


def calling(attributes: str = 'processId="child"', more: str = "", marker: str = "") -> bytes:
    content = extensions(f"<zeebe:calledElement {attributes}/>{more}") + marker
    model = scope("startEvent s, callActivity a, userTask after, endEvent e", "s -> a -> after -> e", {"a": content})
    return process(model)


def run(model: bytes, using: Library, **variables: Any) -> Run:
    return Run(model, library=using, **variables)


def test_the_called_process_runs_inside_the_call_and_the_caller_waits() -> None:
    instance = run(calling(), library(child=child()), n=1)
    assert instance.open == ["x"]
    assert instance.task("x").process_definition_id == "child"
    assert instance.task("x").input == {"n": 1}
    assert instance.do("x", m=2).task("y").input == {"n": 1, "m": 2}
    assert "m" not in instance.variables, "the called process has variables of its own"
    assert instance.do("y").open == ["after"]
    assert instance.task("after").process_definition_id is None
    assert instance.variables == {"n": 1, "m": 2}
    assert instance.do("after").ended


def test_variables_go_in_and_out_as_the_call_says() -> None:
    mapping = (
        '<zeebe:ioMapping><zeebe:input source="=order.id" target="key"/>'
        '<zeebe:output source="=answer" target="order.answer"/></zeebe:ioMapping>'
    )
    flags = 'processId="child" propagateAllParentVariables="false" propagateAllChildVariables="false"'
    instance = run(calling(flags, mapping), library(child=child()), order={"id": 5}, secret=1)
    assert instance.task("x").input == {"key": 5}
    instance.do("x", answer=42, order="its own").do("y")
    assert instance.variables == {"order": {"id": 5, "answer": 42}, "secret": 1}


def test_without_propagation_nothing_comes_out() -> None:
    instance = run(calling('processId="child" propagateAllChildVariables="false"'), library(child=child()))
    instance.do("x", answer=1).do("y")
    assert instance.variables == {}


def test_a_call_ends_on_the_version_it_began_with() -> None:
    first = library(child=child())
    instance = run(calling(), first)
    assert instance.state["tokens"][0]["called"] == {"id": "child", "version": 7}
    newer = library()
    newer.add(NotAtHand("process", "child", 7), first.find("process", "child", 7))
    newer.add(
        NotAtHand("process", "child", None), Deployed(8, parse(child(scope("startEvent q, endEvent r", "q -> r"))).spec)
    )
    instance.library = newer
    assert instance.do("x").open == ["y"]


def test_instances_of_one_definition_that_call_different_versions_do_not_mix() -> None:
    spec = parse(calling()).spec
    other = child(scope("startEvent q, userTask z, endEvent r", "q -> z -> r"))
    begun = [(steps.start(spec, {}, using), using) for using in (library(child=child()), library(child=other))]
    following = [steps.complete(spec, at.state, at.new_tasks[0].token_id, {}, using) for at, using in begun]
    assert [at.new_tasks[0].activity_id for at, _ in begun] == ["x", "z"]
    assert [at.new_tasks[0].activity_id for at in following] == ["y", "after"]


def test_what_is_not_at_hand_is_asked_for_by_name_and_version() -> None:
    with pytest.raises(NotAtHand) as caught:
        run(calling('processId="=which"'), Library(), which="child")
    assert (caught.value.kind, caught.value.name, caught.value.version) == ("process", "child", None)
    instance = run(calling(), library(child=child()))
    instance.library = Library()
    with pytest.raises(NotAtHand) as caught:
        instance.do("x")
    assert (caught.value.name, caught.value.version) == ("child", 7)


def test_two_calls_of_one_process_with_equal_ids_inside_do_not_mix() -> None:
    model = process(
        scope(
            "startEvent s, parallelGateway f j, callActivity a b, userTask x, endEvent e",
            "s -> f, f -> a -> j, f -> b -> j, f -> x -> j, j -> e",
            {name: extensions('<zeebe:calledElement processId="child"/>') for name in "ab"},
        )
    )
    instance = run(model, library(child=child()))
    assert sorted(instance.open) == ["x", "x", "x"]
    assert sorted(task.iteration for task in instance.tasks) == [1, 2, 3], "the key of a task stays unique"
    for _ in range(3):
        instance.do("x")
    assert instance.open == ["y", "y"]
    assert instance.do("y").do("y").ended


def test_calls_nest_and_a_multi_instance_calls_once_for_each_element() -> None:
    marker = many('inputCollection="=names" inputElement="name" outputCollection="all" outputElement="=answer"')
    middle = process(
        scope("startEvent s, callActivity deep, endEvent e", "s -> deep -> e",
              {"deep": extensions('<zeebe:calledElement processId="child"/>')}),
        'id="middle" isExecutable="true"',
    )  # fmt: skip
    instance = run(
        calling('processId="middle"', marker=marker), library(child=child(), middle=middle), names=["n", "m"]
    )
    assert [task.input["name"] for task in instance.tasks] == ["n", "m"]
    for task in list(instance.tasks):
        instance.complete(task, {"answer": task.input["name"] + "!"})
    assert instance.do("y").do("y").variables["all"] == ["n!", "m!"]
    assert "answer" not in instance.variables


def test_processes_that_call_each_other_for_ever_are_stopped_with_a_reason() -> None:
    itself = process(
        scope("startEvent s, callActivity again, endEvent e", "s -> again -> e",
              {"again": extensions('<zeebe:calledElement processId="child"/>')}),
        'id="child" isExecutable="true"',
    )  # fmt: skip
    with pytest.raises(StepFailed, match="at most 20 calls may be inside each other") as caught:
        run(calling(), library(child=itself))
    assert caught.value.element_id == "again"


def test_a_recursion_that_ends_runs() -> None:
    mapping = (
        '<zeebe:ioMapping><zeebe:input source="=n - 1" target="n"/>'
        '<zeebe:output source="=n" target="m"/></zeebe:ioMapping>'
    )
    down = process(
        scope(
            "startEvent s, exclusiveGateway g, callActivity again, userTask x, endEvent e",
            "s -> g, g -> again [n > 0], g -> x [default], again -> e, x -> e",
            {"again": extensions(f'<zeebe:calledElement processId="down"/>{mapping}')},
        ),
        'id="down" isExecutable="true"',
    )
    instance = run(down, library(down=down), n=3)
    assert instance.task("x").input["n"] == 0
    assert instance.do("x").ended


def test_a_process_that_is_not_there_or_cannot_be_called_stops_the_step() -> None:
    with pytest.raises(StepFailed, match="calls the process 'child', which is not deployed"):
        run(calling(), library(child=None))
    with pytest.raises(StepFailed, match="processId must be text; its expression gives 5"):
        run(calling('processId="=5"'), Library())


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ("", "calls nothing: add zeebe:calledElement"),
        ('processId="=a b"', "has an expression that cannot be run"),
        ('processId="child" bindingType="versionTag"', "has the bindingType 'versionTag'; it is latest or deployment"),
    ],
)
def test_a_call_that_cannot_be_run_is_refused(attributes: str, complaint: str) -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse(calling(attributes))
    assert [complaint in problem.message for problem in caught.value.problems] == [True]


def test_the_attribute_of_bpmn_itself_names_the_process_where_there_is_no_extension() -> None:
    model = scope("startEvent s, callActivity a, endEvent e", "s -> a -> e")
    model = model.replace('<bpmn:callActivity id="a"', '<bpmn:callActivity id="a" calledElement="tns:child"')
    call: Call = parse(process(model)).spec["activities"]["a"]["call"]
    assert call["process"] == "child"
