"""A task that has failed for good goes on at the error event whose code is the class of the failure."""

from bpmn_writing import WORKER, Run, extensions, many, scope
from event_writing import ANY_ERROR, boundary, error, event_subprocess, file, mapped

WORK = scope("startEvent s, serviceTask a, userTask late, endEvent e", "s -> a -> e, b -> late -> e")
FAILURE = {"error": {"code": "input_refused", "message": "no such order; before that, attempt 1 ..."}}


def in_sub_process(*more: str) -> str:
    inside = scope("startEvent is, serviceTask x, endEvent ie", "is -> x -> ie")
    nodes, flows = "startEvent s, subProcess sub, userTask caught, endEvent e", "s -> sub -> e, b -> caught -> e"
    return scope(nodes, flows, {"sub": "\n".join([inside, *more])})


def test_a_failure_is_caught_at_the_boundary_of_its_activity() -> None:
    run = Run(file(WORK, boundary("b", "a", error("refused"))))
    assert [(w["kind"], w.get("name"), w.get("token")) for w in run.waits] == [
        ("error", "input_refused", run.task("a").token_id)
    ]
    run.receive("b", **FAILURE)
    assert (run.open, run.variables, run.waits) == (["late"], {}, [])
    assert run.do("late").ended


def test_a_task_that_is_done_leaves_nothing_waiting() -> None:
    run = Run(file(WORK, boundary("b", "a", error("refused")))).do("a")
    assert (run.ended, run.waits) == (True, [])


def test_output_mappings_see_the_class_and_the_reasons() -> None:
    content = mapped("output", "=error.code + ': ' + error.message", "why") + error("refused")
    run = Run(file(WORK, boundary("b", "a", content))).receive("b", **FAILURE)
    assert run.variables == {"why": "input_refused: no such order; before that, attempt 1 ..."}


def test_codes_that_are_no_class_and_events_that_catch_any_error_do_not_wait_for_failures() -> None:
    for definition in (error(), ANY_ERROR, error("unmade")):
        assert Run(file(WORK, boundary("b", "a", definition))).waits == []


def test_an_error_that_is_thrown_with_the_code_is_caught_as_ever() -> None:
    run = Run(file(WORK, boundary("b", "a", error("refused"))))
    assert run.do("a", bpmn_error={"code": "input_refused", "variables": {"n": 1}}).open == ["late"]
    assert (run.variables, run.waits) == ({"n": 1}, [])


def test_a_failure_goes_outwards_to_the_boundary_of_the_sub_process() -> None:
    run = Run(file(in_sub_process(), boundary("b", "sub", error("refused")))).receive("b", **FAILURE)
    assert run.open == ["caught"]
    assert run.do("caught").ended


def test_a_failure_is_caught_by_an_event_sub_process_of_its_scope_before_the_boundary_around_it() -> None:
    handler = event_subprocess("esp", error("refused"))
    run = Run(file(in_sub_process(handler), boundary("b", "sub", error("refused"))))
    assert run.waiting == ["esp_s"]
    assert run.receive("esp_s", **FAILURE).open == ["handle"]
    assert run.do("handle").ended


def test_each_class_goes_to_the_nearest_event_that_names_it() -> None:
    inside = scope(
        "startEvent is, serviceTask x, userTask slow, endEvent ie", "is -> x -> ie, b1 -> slow -> ie"
    ) + boundary("b1", "x", error("timed_out"))
    model = scope(
        "startEvent s, subProcess sub, userTask refused, endEvent e",
        "s -> sub -> e, b -> refused -> e",
        {"sub": inside},
    )
    run = Run(file(model, boundary("b", "sub", error("refused"))))
    assert sorted(run.waiting) == ["b", "b1"]
    assert run.receive("b", **FAILURE).open == ["refused"]


def test_the_failure_of_one_instance_ends_a_whole_multi_instance() -> None:
    loop = {"a": extensions(WORKER) + many(inside="<bpmn:loopCardinality>3</bpmn:loopCardinality>")}
    model = scope("startEvent s, serviceTask a, userTask late, endEvent e", "s -> a -> e, b -> late -> e", loop)
    run = Run(file(model, boundary("b", "a", error("refused"))))
    assert len(run.waits) == 3
    assert run.do("a").receive("b", **FAILURE).open == ["late"]
    assert run.waits == []
