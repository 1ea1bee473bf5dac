"""Gathers what the outside world saw of a run, for the referee."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.effects_server import EffectsBook
from chaos.ends_ledger import EndsBook
from chaos.faults import read_log
from chaos.outside import Accepted, Outside
from chaos.payments import Payment, Taking
from chaos.plan import PROCESSES, Plan
from chaos.process_reading import Drawing
from chaos.referee import Evidence
from chaos.server_kit import read_book
from chaos.stage import Stage

_HURDLES = ("jump_clock", "restart_database")
_WIRE_SECONDS = 0.5
_LATE_SECONDS = 2.0


@dataclass(frozen=True)
class Inside:
    """What can only be counted in the database: the `keys` of all instances, and the contents of the documents that
    were saved."""

    keys: list[str]
    saved: list[str]


async def gather(plan: Plan, stage: Stage, outside: Outside) -> Evidence:
    """Read the ledgers, and ask the API about each instance that it accepted."""
    shown = {key: await outside.instance(instance_id) for key, instance_id in outside.accepted.instances.items()}
    async with await stage.owner() as owner:
        inside = Inside(*[
            [text for (text,) in await (await owner.execute(query)).fetchall()]
            for query in (
                "select variables ->> 'key' from public.bpm_proc_inst",
                "select content from public.documents",
            )
        ])  # fmt: skip
    return read_evidence(plan, stage.folder, outside.accepted, shown, inside)


def read_evidence(
    plan: Plan, folder: Path, accepted: Accepted, shown: dict[str, dict[str, Any]], inside: Inside
) -> Evidence:
    """The evidence in `folder`, where a Stage keeps its ledgers."""
    drawings = {drawing.id: drawing for drawing in map(Drawing, sorted(PROCESSES.glob("*.bpmn")))}
    starts = [start for start in plan.starts() if start.key in accepted.instances]
    faults = read_log(folder / "faults.jsonl")
    names = {instance_id: key for key, instance_id in accepted.instances.items()}
    return Evidence(
        asked=plan.instances,
        expected={start.key: drawings[start.definition].expected(start.variables) for start in starts},
        shown=shown,
        refused=accepted.refused,
        payments=payments(folder / "model.sqlite"),
        handed=[(line["what"], line["at"]) for line in read_log(folder / "witness.jsonl") if line["kind"] == "model"],
        effects=EffectsBook(folder / "effects.sqlite").done() + Counter(inside.saved),
        takings=takings(faults, plan.lease_seconds),
        outages=[(f["at"], f["at"] + f["seconds"]) for f in faults if f["kind"] == "restart_database"],
        pods=plan.pods,
        instances_of=Counter(inside.keys),
        ends_of=Counter({names.get(i, i): times for i, times in EndsBook(folder / "ends.sqlite").ends().items()}),
    )


def model_faults(ledger: Path) -> Counter[str]:
    """How often each fault of the model was thrown."""
    return Counter(dict(read_book(ledger, "select fate, count(*) from request where fate <> 'answer' group by fate")))


def payments(ledger: Path) -> list[Payment]:
    """The calls that the model's ledger says were answered in full."""
    query = "select caller, prompt, arrived, paid from request where paid is not null"
    return [Payment(*row) for row in read_book(ledger, query)]


def takings(faults: list[dict[str, Any]], lease_seconds: float) -> list[Taking]:
    """Those of the `faults` in the log that can take a call from its pod.

    A kill and a freeze do. What the clock jumped ahead and the time that the database was away can end leases where
    they come to two thirds of one within its length, less what a renewal may be late: a pod renews at a third.
    """
    found: list[Taking] = []
    hurdles = [(f["at"], _end(f), f["seconds"]) for f in faults if f["kind"] in _HURDLES and f["seconds"] > 0]
    for fault in faults:
        kind, at, end = fault["kind"], fault["at"], _end(fault)
        if kind in ("kill_pod", "kill_orchestrator"):
            found.append(Taking(kind, at, at + _WIRE_SECONDS, fault["pod"]))
        elif kind == "freeze_pod":
            found.append(Taking(kind, at, at + _WIRE_SECONDS, fault["pod"], end))
        elif kind in _HURDLES and fault["seconds"] > 0:
            lost = sum(seconds for begun, over, seconds in hurdles if begun <= at and over > at - lease_seconds)
            if lost > lease_seconds * 2 / 3 - _LATE_SECONDS:
                found.append(Taking(kind, at, end + (lease_seconds / 3 + 1 if kind == "jump_clock" else 0)))
    return found


def _end(fault: dict[str, Any]) -> float:
    """When it was over: the clock jumps at once."""
    return fault["at"] + (0 if fault["kind"] == "jump_clock" else fault.get("seconds", 0))
