"""The referee of `make chaos` finds each kind of wrong, and its own reading of the processes is the engine's."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from chaos.plan import PROCESSES, Plan
from chaos.process_reading import Drawing, Expected
from chaos.referee import Evidence, Payment, judge

STORY = Expected(
    prompts=Counter({"a/one": 1, "a/two": 2}),
    effects={"a/note": "note"},
    tasks=Counter({"work": 1}),
    variables={"key": "a", "result": "right"},
)
SHOWN = {
    "status": "COMPLETED",
    "variables": {"key": "a", "result": "right", "initiator": "key:x"},
    "tasks": [{"activity_id": "work", "status": "DONE"}],
}
PAID = [
    Payment("pod-1", "a/one", 10.0, 10.1),
    Payment("pod-1", "a/two", 11.0, 11.1),
    Payment("pod-1", "a/two", 12.0, 12.1),
]
CLEAN = Evidence(
    expected={"a": STORY},
    shown={"a": SHOWN},
    refused={},
    payments=PAID,
    handed=[("a/one", 10.2), ("a/two", 11.2), ("a/two", 12.2)],
    effects=Counter({"a/note": 1}),
    takings=[],
    pods=4,
    instances_of=Counter({"a": 1}),
    ends_of=Counter({"id": 1}),
)
AGAIN = Payment("pod-2", "a/one", 20.0, 20.1)


def wrong(evidence: Evidence) -> set[str]:
    return {verdict.name for verdict in judge(evidence) if not verdict.holds}


def count(evidence: Evidence, name: str) -> int:
    return next(verdict.value for verdict in judge(evidence) if verdict.name == name)


def test_a_run_without_fault_is_clean() -> None:
    assert wrong(CLEAN) == set()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"shown": {"a": {**SHOWN, "status": "RUNNING"}}}, {"instances lost"}),
        ({"shown": {"a": {**SHOWN, "variables": {"key": "a"}}}}, {"instances falsely COMPLETED"}),
        ({"shown": {"a": {**SHOWN, "tasks": SHOWN["tasks"] * 2}}}, {"instances falsely COMPLETED"}),
        ({"refused": {"b": "422"}}, {"instances refused"}),
        ({"instances_of": Counter({"a": 2})}, {"instances started twice"}),
        ({"ends_of": Counter({"id": 2})}, {"instances finished twice"}),
        ({"effects": Counter()}, {"side effects missing", "instances falsely COMPLETED"}),
        ({"effects": Counter({"a/note": 2})}, {"side effects doubled"}),
        ({"effects": Counter({"a/note": 1, "a/x": 1})}, {"side effects nobody asked for"}),
        ({"payments": PAID[:2]}, {"instances falsely COMPLETED"}),
        ({"payments": [*PAID, AGAIN]}, {"paid twice without such a reason"}),
        ({"payments": [*PAID, replace(AGAIN, prompt="a/else")]}, {"model calls nobody asked for"}),
    ],
)
def test_each_wrong_is_found(change: dict[str, Any], found: set[str]) -> None:
    assert wrong(replace(CLEAN, **change)) == found


def taken(kind: str, at: float, **more: Any) -> Evidence:
    handed = [("a/two", 11.2), ("a/two", 12.2), ("a/one", 20.2)]
    return replace(CLEAN, payments=[*PAID, AGAIN], handed=handed, takings=[{"kind": kind, "at": at, **more}])


def test_a_call_in_flight_at_a_kill_may_be_paid_again_and_is_counted() -> None:
    killed = taken("kill_pod", 10.05, pod="pod-1")
    assert wrong(killed) == set()
    assert count(killed, "paid again: in flight when they were taken") == 1
    assert wrong(taken("jump_clock", 10.05)) == set()


def test_a_pod_may_ask_once_more_before_it_learns_of_a_jump_of_the_clock() -> None:
    assert wrong(taken("jump_clock", 9.0, until=10.5)) == set()
    assert wrong(taken("jump_clock", 9.0, until=9.5)) == {"paid twice without such a reason"}


def test_an_answer_that_waits_for_the_database_is_on_its_way() -> None:
    killed = taken("kill_pod", 16.0, pod="pod-1")
    assert wrong(replace(killed, outages=[(9.5, 15.0)])) == set()
    assert wrong(replace(killed, outages=[(9.5, 13.0)])) == {"paid twice without such a reason"}


@pytest.mark.parametrize("at", [9.9, 15.0])
def test_a_kill_at_another_time_or_of_another_pod_is_no_reason(at: float) -> None:
    assert wrong(taken("kill_pod", at, pod="pod-1")) == {"paid twice without such a reason"}
    assert wrong(taken("kill_pod", 10.05, pod="pod-3")) == {"paid twice without such a reason"}


def test_an_answer_that_was_handed_over_before_the_kill_must_not_be_paid_again() -> None:
    killed = taken("kill_pod", 10.3, pod="pod-1")
    assert wrong(killed) == set()
    handed = [*killed.handed, ("a/one", 10.2)]
    assert wrong(replace(killed, handed=handed)) == {"paid twice without such a reason"}


@pytest.mark.parametrize("process", sorted(file.stem for file in PROCESSES.glob("*.bpmn")))
def test_every_process_of_a_run_has_five_to_fifteen_model_calls_and_some_effects(process: str) -> None:
    drawing = Drawing(PROCESSES / f"{process}.bpmn")
    for number in range(20):
        story = drawing.expected({"key": f"k{number}", "items": ["item0"] * (3 + number % 3)})
        assert 5 <= sum(story.prompts.values()) <= 15 and len(story.effects) >= 2
        assert "result" in story.variables


def test_a_seed_gives_the_same_run_again() -> None:
    plan = Plan("7", 20, 60)
    assert plan.starts() == plan.starts() != Plan("8", 20, 60).starts()
