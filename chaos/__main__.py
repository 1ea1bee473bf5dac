"""`python -m chaos`: one run of random faults against a whole fleet, and the table of what came of it."""

import argparse
import asyncio
import contextlib
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chaos.effects_server import EffectsBook
from chaos.ends_ledger import EndsBook
from chaos.evidence import gather, model_faults
from chaos.faults import Faults, read_log
from chaos.outside import Outside
from chaos.person import Person
from chaos.plan import FAULTS, Plan
from chaos.referee import Verdict, judge
from chaos.stage import Stage

_SHOWN = 5
_LOOK_SECONDS = 0.3


def main() -> int:
    """Run, print the table, and return 0 where every number is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m chaos")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="of all dice; a new one unless given")
    parser.add_argument("--instances", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=300.0, help="how long faults are thrown")
    parser.add_argument("--faults", default=",".join(FAULTS), help=f"of {', '.join(FAULTS)}; none: no faults")
    parser.add_argument("--keep", type=Path, help="a folder, at most 60 characters long, that keeps ledgers and logs")
    given = parser.parse_args()
    faults = () if given.faults == "none" else tuple(given.faults.split(","))
    if unknown := set(faults) - set(FAULTS):
        parser.error(f"--faults: {', '.join(sorted(unknown))} is unknown; there are {', '.join(FAULTS)}")
    plan = Plan(given.seed, given.instances, given.seconds, faults=faults)
    console = Console()
    console.print(f"seed {plan.seed}: {plan.instances} instances, faults for {plan.seconds:g} s: {', '.join(faults)}")
    with (
        tempfile.TemporaryDirectory(prefix="fleet-chaos-")
        if given.keep is None
        else contextlib.nullcontext(given.keep) as folder
    ):
        verdicts, thrown = asyncio.run(run(plan, Path(folder)))
    console.print(_table(plan, verdicts, thrown))
    return 0 if all(verdict.holds for verdict in verdicts) else 1


async def run(
    plan: Plan, folder: Path, pod_settings: Mapping[str, str] | None = None
) -> tuple[list[Verdict], Counter[str]]:
    """One run of `plan` with its files in `folder`: the verdicts, and how often each fault was thrown.

    `pod_settings`: as in Stage.
    """
    async with Stage(plan, folder, pod_settings) as stage, Outside(stage) as outside:
        faults = Faults(stage)
        await outside.deploy()
        keeping_up = asyncio.create_task(stage.keep_up())
        throwing = asyncio.create_task(faults.throw())
        person = Person(outside, EffectsBook(stage.effects), plan.dice("person"))
        answering = asyncio.create_task(person.answer_questions())
        starting = asyncio.create_task(outside.start_all(plan.starts()))
        try:
            await outside.until_all_ended(plan.seconds, plan.instances)
        finally:
            await _end(throwing)
        await starting
        await _calm(plan, faults, outside)
        await _end(answering)
        evidence = await gather(plan, stage, outside)
        await _end(keeping_up)
    thrown = Counter(fault["kind"] for fault in read_log(faults.log)) + model_faults(stage.ledger)
    thrown += EffectsBook(stage.effects).faults() + EndsBook(stage.ends).faults()
    return [*judge(evidence), *person.verdicts()], thrown


async def _calm(plan: Plan, faults: Faults, outside: Outside) -> None:
    """Let everything come to its end without faults. Where all that is left to do is to wait for the time of a next
    attempt, the clock is moved there. A slow machine gets its time: only when nothing has come to an end for
    `calm_seconds` is what is left given up for lost."""
    done, give_up_at = 0, time.monotonic() + plan.calm_seconds
    while time.monotonic() < give_up_at:
        left = await outside.what_is_left()
        if left.done > done:
            done, give_up_at = left.done, time.monotonic() + plan.calm_seconds
        if left.busy == 0 and left.next_attempt_seconds is None:
            return
        if left.busy == 0 and (left.next_attempt_seconds or 0) > 0:
            await faults.move_clock(left.next_attempt_seconds or 0)
        await asyncio.sleep(_LOOK_SECONDS)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _table(plan: Plan, verdicts: list[Verdict], thrown: Counter[str]) -> Table:
    table = Table("counted outside", "number", "at most", "", title=f"seed {plan.seed}", title_justify="left")
    for kind, times in sorted(thrown.items()):
        table.add_row(f"fault: {kind}", str(times), "", "")
    table.add_section()
    for verdict in verdicts:
        most = "" if verdict.most is None else str(verdict.most)
        shown = "" if verdict.holds else "WRONG: " + "\n".join(verdict.about[:_SHOWN])
        table.add_row(verdict.name, str(verdict.value), most, shown)
    return table


if __name__ == "__main__":
    sys.exit(main())
