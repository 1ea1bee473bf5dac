"""Gathers what the outside world saw of a run, for the referee."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from chaos.effects_server import EffectsBook
from chaos.faults import read_log
from chaos.outside import Outside
from chaos.plan import PROCESSES, Plan
from chaos.process_reading import Drawing
from chaos.referee import Evidence, Payment
from chaos.stage import Stage

_TAKES = ("kill_pod", "freeze_pod", "kill_orchestrator", "jump_clock", "restart_database")


async def gather(plan: Plan, stage: Stage, outside: Outside) -> Evidence:
    """Read the ledgers, and ask the API about each instance that it accepted."""
    drawings = {drawing.id: drawing for drawing in map(Drawing, sorted(PROCESSES.glob("*.bpmn")))}
    starts = {start.key: start for start in plan.starts() if start.key in outside.accepted.instances}
    shown = {key: await outside.instance(outside.accepted.instances[key]) for key in starts}
    async with await stage.owner() as owner:
        cursor = await owner.execute("select variables ->> 'key', id::text from public.bpm_proc_inst")
        instances = await cursor.fetchall()
        cursor = await owner.execute(
            "select proc_inst_id::text from public.events where event_type = 'INSTANCE_COMPLETED'"
        )
        ends = await cursor.fetchall()
        cursor = await owner.execute("select content from public.documents")
        saved = Counter(content for (content,) in await cursor.fetchall())
    faults = read_log(stage.folder / "faults.jsonl")
    return Evidence(
        expected={key: drawings[start.definition].expected(start.variables) for key, start in starts.items()},
        shown=shown,
        refused=outside.accepted.refused,
        payments=payments(stage.ledger),
        handed=[(line["what"], line["at"]) for line in read_log(stage.witness) if line["kind"] == "model"],
        effects=EffectsBook(stage.effects).done() + saved,
        takings=[_taking(fault, plan) for fault in faults if _takes(fault, plan)],
        outages=[(f["at"], f["at"] + f["seconds"]) for f in faults if f["kind"] == "restart_database"],
        pods=plan.pods,
        instances_of=Counter(key for key, _ in instances),
        ends_of=Counter(instance_id for (instance_id,) in ends),
    )


def model_faults(ledger: Path) -> Counter[str]:
    """How often each fault of the model was thrown."""
    with sqlite3.connect(ledger) as book:
        rows = book.execute("select fate, count(*) from request where fate <> 'answer' group by fate").fetchall()
    return Counter(dict(rows))


def payments(ledger: Path) -> list[Payment]:
    """The calls that the model's ledger says were answered in full."""
    with sqlite3.connect(ledger) as book:
        rows = book.execute("select caller, prompt, arrived, paid from request where paid is not null").fetchall()
    return [Payment(*row) for row in rows]


def _taking(fault: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """A pod learns of a jump of the clock when it renews its lease next; of an outage at its end."""
    learns = {"jump_clock": plan.lease_seconds / 3 + 1, "restart_database": fault.get("seconds", 0)}
    return {**fault, "until": fault["at"] + learns.get(fault["kind"], 0)}


def _takes(fault: dict[str, Any], plan: Plan) -> bool:
    least = {"jump_clock": plan.lease_seconds / 3, "restart_database": plan.lease_seconds * 2 / 3}
    return fault["kind"] in _TAKES and fault.get("seconds", 0) >= least.get(fault["kind"], 0)
