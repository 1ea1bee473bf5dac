"""What the referee reads: ledgers of a run without fault are clean, and each thing that is wrong in them is found."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chaos.effects_server import Effects
from chaos.ends_ledger import Ends
from chaos.evidence import Inside, read_evidence, takings
from chaos.model_ledger import Ledger
from chaos.outside import Accepted
from chaos.plan import PROCESSES, Plan
from chaos.process_reading import Drawing
from chaos.referee import judge

PLAN = Plan("ledgers", 4, 60)
Run = dict[str, Any]


def run_without_fault(folder: Path) -> Run:
    """Ledgers in `folder` as a run leaves them in which pod-1 did everything, and what the database and API say."""
    Ledger(str(folder / "model.sqlite"), "s", [])
    Effects(str(folder / "effects.sqlite"))
    accepted, shown, saved, at = Accepted(), {}, [], 1000.0
    model, effects = sqlite3.connect(folder / "model.sqlite"), sqlite3.connect(folder / "effects.sqlite")
    with closing(model), closing(effects), (folder / "witness.jsonl").open("w") as witness:
        for start in PLAN.starts():
            story = Drawing(PROCESSES / f"{start.definition}.bpmn").expected(start.variables)
            for prompt in story.prompts.elements():
                model.execute(
                    "insert into request (caller, prompt, fate, arrived, paid) values ('pod-1', ?, 'answer', ?, ?)",
                    [prompt, at, at + 0.1],
                )
                witness.write(json.dumps({"kind": "model", "what": prompt, "at": at + 0.2}) + "\n")
                at += 1
            for key, deed in story.effects.items():
                if deed == "save":
                    saved.append(key)
                else:
                    effects.execute("insert into effect values (?, ?, ?, ?)", [deed, key, f"key of {key}", at])
            accepted.instances[start.key] = f"id of {start.key}"
            tasks = [{"activity_id": activity, "status": "DONE"} for activity in story.tasks.elements()]
            shown[start.key] = {"status": "COMPLETED", "variables": story.variables, "tasks": tasks}
        model.commit()
        effects.commit()
    Ends(str(folder / "ends.sqlite"), "s", [])
    with closing(sqlite3.connect(folder / "ends.sqlite")) as book:
        told = [(instance, f"message about {instance}") for instance in accepted.instances.values()]
        book.executemany("insert into told values (?, ?, 'answer')", [*told, told[0]])  # the first came twice
        book.commit()
    return {"accepted": accepted, "shown": shown, "inside": Inside(list(accepted.instances), saved)}


def wrong(folder: Path, run: Run) -> set[str]:
    evidence = read_evidence(PLAN, folder, run["accepted"], run["shown"], run["inside"])
    return {verdict.name for verdict in judge(evidence) if not verdict.holds}


def test_a_run_without_fault_is_clean(tmp_path: Path) -> None:
    assert wrong(tmp_path, run_without_fault(tmp_path)) == set()


AGAIN = """insert into request (caller, prompt, fate, arrived, paid)
           select 'pod-2', prompt, fate, arrived + 500, paid + 500 from request where id = 1"""
MISSING = {"side effects missing", "instances falsely COMPLETED"}
UNEXPLAINED = "paid twice without such a reason"


@pytest.mark.parametrize(
    ("ledger", "change", "found"),
    [
        ("effects", "insert into effect select tool, key, 'another', at from effect limit 1", {"side effects doubled"}),
        ("effects", "delete from effect where key = (select key from effect limit 1)", MISSING),
        ("effects", "insert into effect values ('note', 'x', 'x', 1)", {"side effects nobody asked for"}),
        ("ends", "insert into told select instance, 'another', fate from told limit 1", {"instances finished twice"}),
        ("ends", "delete from told where rowid = 2", {"instances whose end nobody was told"}),
        ("ends", "insert into told values ('x', 'x', 'answer')", {"instances told to have ended that had not"}),
        ("model", "delete from request where id = 1", {"instances falsely COMPLETED"}),
        ("model", "update request set paid = null where id = 1", {"instances falsely COMPLETED"}),
        ("model", AGAIN, {"model calls paid again", UNEXPLAINED}),
        ("model", "insert into request values (null, 'pod-1', 'x', 'answer', 1, 2)", {"model calls nobody asked for"}),
    ],
)
def test_a_wrong_ledger_is_found(tmp_path: Path, ledger: str, change: str, found: set[str]) -> None:
    run = run_without_fault(tmp_path)
    with closing(sqlite3.connect(tmp_path / f"{ledger}.sqlite")) as book:
        assert book.execute(change).rowcount == 1
        book.commit()
    assert wrong(tmp_path, run) == found


def forgets_a_start(run: Run) -> None:
    run["accepted"].instances.popitem()


def shows_another_result(run: Run) -> None:
    next(iter(run["shown"].values()))["variables"]["result"] = "another"


def shows_a_task_twice(run: Run) -> None:
    tasks = next(iter(run["shown"].values()))["tasks"]
    tasks.append(tasks[0])


def loses_an_instance(run: Run) -> None:
    next(iter(run["shown"].values()))["status"] = "RUNNING"


def starts_one_twice(run: Run) -> None:
    run["inside"].keys.append(run["inside"].keys[0])


def saves_a_document_twice(run: Run) -> None:
    run["inside"].saved.append(run["inside"].saved[0])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (shows_another_result, {"instances falsely COMPLETED"}),
        (shows_a_task_twice, {"instances falsely COMPLETED"}),
        (loses_an_instance, {"instances lost", "instances told to have ended that had not"}),
        (starts_one_twice, {"instances started twice"}),
        (saves_a_document_twice, {"side effects doubled"}),
        (
            forgets_a_start,
            {
                "instances without an answer", "instances nobody asked for", "side effects nobody asked for",
                "model calls nobody asked for", "instances told to have ended that had not",
            },
        ),
    ],
)  # fmt: skip
def test_a_wrong_answer_of_the_system_is_found(tmp_path: Path, change: Callable[[Run], None], found: set[str]) -> None:
    run = run_without_fault(tmp_path)
    change(run)
    assert wrong(tmp_path, run) == found


def kinds(*faults: tuple[str, float, float]) -> list[tuple[str, float]]:
    noted = [{"kind": kind, "at": at, "seconds": seconds, "pod": "pod-1"} for kind, at, seconds in faults]
    return [(taking.kind, taking.at) for taking in takings(noted, lease_seconds=8)]


def test_what_ends_no_lease_is_no_reason_to_pay_again() -> None:
    assert kinds(("cut_connections", 1, 0), ("kill_api", 2, 0), ("kill_effects", 3, 0)) == []
    assert kinds(("jump_clock", 100, 3.3), ("jump_clock", 200, -15), ("restart_database", 300, 3.3)) == []
    assert kinds(("jump_clock", 100, 3.4)) == [("jump_clock", 100)]
    assert kinds(("restart_database", 100, 2), ("jump_clock", 105, 2)) == [("jump_clock", 105)], "together"
    assert kinds(("restart_database", 100, 2), ("jump_clock", 111, 2)) == [], "a lease later"


def test_a_kill_a_freeze_and_a_killed_orchestrator_take_calls_of_their_pod_alone() -> None:
    faults = [{"kind": kind, "at": 1.0, "seconds": 9.5, "pod": "pod-3"} for kind in ("freeze_pod", "kill_pod")]
    frozen, killed = takings(faults, 8)
    assert (frozen.pod, frozen.woke, killed.pod, killed.woke) == ("pod-3", 10.5, "pod-3", None)
    [orchestrator] = takings([{"kind": "kill_orchestrator", "at": 1.0, "pod": "pod-2"}], 8)
    assert (orchestrator.pod, orchestrator.until) == ("pod-2", 1.5)
