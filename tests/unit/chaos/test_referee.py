"""The referee of `make chaos` finds each kind of wrong, in what it is told and in the ledgers that it reads."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from chaos.payments import Payment, Taking
from chaos.plan import PROCESSES, Plan
from chaos.process_reading import Drawing, Expected
from chaos.referee import Evidence, judge

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
    asked=1,
    expected={"a": STORY},
    shown={"a": SHOWN},
    refused={},
    payments=PAID,
    handed=[("a/one", 10.2), ("a/two", 11.2), ("a/two", 12.2)],
    effects=Counter({"a/note": 1}),
    takings=[],
    pods=4,
    instances_of=Counter({"a": 1}),
    ends_of=Counter({"a": 1}),
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
        ({"asked": 2}, {"instances without an answer"}),
        ({"shown": {"a": {**SHOWN, "status": "RUNNING"}}, "ends_of": Counter()}, {"instances lost"}),
        ({"shown": {"a": {**SHOWN, "status": "ERROR"}}, "ends_of": Counter()}, {"instances lost"}),
        ({"shown": {"a": {"status": "HTTP 404", "variables": {}}}, "ends_of": Counter()}, {"instances lost"}),
        (
            {"shown": {"a": {**SHOWN, "status": "RUNNING"}}},
            {"instances lost", "instances told to have ended that had not"},
        ),
        ({"ends_of": Counter()}, {"instances whose end nobody was told"}),
        ({"shown": {"a": {**SHOWN, "variables": {"key": "a"}}}}, {"instances falsely COMPLETED"}),
        ({"shown": {"a": {**SHOWN, "tasks": SHOWN["tasks"] * 2}}}, {"instances falsely COMPLETED"}),
        ({"shown": {"a": {**SHOWN, "tasks": []}}}, {"instances falsely COMPLETED"}),
        (
            {"shown": {"a": {**SHOWN, "tasks": [*SHOWN["tasks"], {"activity_id": "work", "status": "FAILED"}]}}},
            {"instances falsely COMPLETED"},
        ),
        ({"asked": 2, "refused": {"b": "422"}}, {"instances refused"}),
        ({"instances_of": Counter({"a": 2})}, {"instances started twice"}),
        ({"instances_of": Counter({"a": 1, "b": 1})}, {"instances nobody asked for"}),
        ({"ends_of": Counter({"a": 2})}, {"instances finished twice"}),
        ({"effects": Counter()}, {"side effects missing", "instances falsely COMPLETED"}),
        ({"effects": Counter({"a/note": 2})}, {"side effects doubled"}),
        ({"effects": Counter({"a/note": 1, "a/x": 1})}, {"side effects nobody asked for"}),
        ({"payments": PAID[:2]}, {"instances falsely COMPLETED"}),
        ({"payments": [*PAID, AGAIN]}, {"model calls paid again", "paid twice without such a reason"}),
        ({"payments": [*PAID, replace(AGAIN, prompt="a/else")]}, {"model calls nobody asked for"}),
    ],
)
def test_each_wrong_is_found(change: dict[str, Any], found: set[str]) -> None:
    assert wrong(replace(CLEAN, **change)) == found


UNEXPLAINED = "paid twice without such a reason"
KILL = Taking("kill_pod", 10.05, 10.55, "pod-1")


def again(*takings: Taking, **more: Any) -> Evidence:
    """`a/one` was paid for pod-1 at 10.0 and for pod-2 at 20.0, and handed over once, by pod-2."""
    handed = [("a/two", 11.2), ("a/two", 12.2), ("a/one", 20.2)]
    return replace(CLEAN, **{"payments": [*PAID, AGAIN], "handed": handed, "takings": list(takings), **more})


def test_a_call_in_flight_at_a_kill_may_be_paid_again_and_is_counted() -> None:
    assert wrong(again(KILL)) == set()
    assert count(again(KILL), "model calls paid again") == count(again(KILL), "of them in flight at kill_pod") == 1
    assert wrong(again(Taking("jump_clock", 10.05, 13.7))) == set()


def test_a_kill_is_the_reason_of_one_payment() -> None:
    third = replace(AGAIN, arrived=30.0, paid=30.1)
    twice = again(KILL, payments=[*PAID, AGAIN, third])
    assert wrong(twice) == {"model calls paid again", UNEXPLAINED}
    other_pods_kill = Taking("kill_pod", 50.0, 50.5, "pod-4")
    assert wrong(again(KILL, other_pods_kill, payments=[*PAID, AGAIN, third])) == {UNEXPLAINED}
    two = [Payment("pod-1", "a/two", 10.02, 10.1), *PAID, AGAIN]
    assert wrong(again(KILL, other_pods_kill, payments=two)) == {UNEXPLAINED}


def test_a_call_that_should_not_have_been_asked_has_no_reason_in_what_befell_it_later() -> None:
    killed_later = Taking("kill_pod", 20.05, 20.55, "pod-2")
    assert wrong(again(killed_later)) == {UNEXPLAINED}, "pod-1 was not disturbed, so its answer was to be replayed"


@pytest.mark.parametrize(("until", "found"), [(10.5, set()), (9.5, {UNEXPLAINED})])
def test_a_pod_may_ask_once_more_before_it_learns_of_a_jump_of_the_clock(until: float, found: set[str]) -> None:
    assert wrong(again(Taking("jump_clock", 9.0, until))) == found


@pytest.mark.parametrize(("woke", "found"), [(19.9, set()), (19.0, {UNEXPLAINED}), (20.05, {UNEXPLAINED})])
def test_what_a_pod_was_about_to_write_when_it_froze_goes_out_when_it_wakes(woke: float, found: set[str]) -> None:
    assert wrong(again(Taking("freeze_pod", 8.0, 8.5, "pod-2", woke))) == found


@pytest.mark.parametrize(("end", "found"), [(15.0, set()), (13.0, {UNEXPLAINED})])
def test_an_answer_that_waits_for_the_database_is_on_its_way(end: float, found: set[str]) -> None:
    assert wrong(again(Taking("kill_pod", 16.0, 16.5, "pod-1"), outages=[(9.5, end)])) == found


@pytest.mark.parametrize(("at", "pod"), [(9.0, "pod-1"), (15.0, "pod-1"), (10.05, "pod-3")])
def test_a_kill_at_another_time_or_of_another_pod_is_no_reason(at: float, pod: str) -> None:
    assert wrong(again(Taking("kill_pod", at, at + 0.5, pod))) == {UNEXPLAINED}


def test_an_answer_that_was_handed_over_before_the_kill_must_not_be_paid_again() -> None:
    killed = again(Taking("kill_pod", 10.3, 10.8, "pod-1"))
    assert wrong(killed) == set()
    assert wrong(replace(killed, handed=[*killed.handed, ("a/one", 10.2)])) == {UNEXPLAINED}


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
