"""`python -m benchmarks`: all parts in one run on one server, each figure beside what it is compared with."""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    api_start,
    burst,
    cancel_latency,
    databases,
    drain,
    engine_steps,
    fairness,
    held_snapshot,
    least_queue,
    model_gateway,
    pick_up,
    pod_overhead,
    sse,
    table_size,
)
from benchmarks.figures import Figure
from kernel.embedded import EmbeddedPostgres

PARTS: dict[str, Callable[[str], Awaitable[list[Figure]]]] = {
    "drain": drain.measure,
    "least-queue": least_queue.measure,
    "held-snapshot": held_snapshot.measure,
    "burst": burst.measure,
    "pick-up": pick_up.measure,
    "cancel-latency": cancel_latency.measure,
    "pod-overhead": pod_overhead.measure,
    "model-gateway": model_gateway.measure,
    "engine-steps": engine_steps.measure,
    "fairness": fairness.measure,
    "table-size": table_size.measure,
    "api-start": api_start.measure,
    "sse": sse.measure,
}


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part; may be repeated")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    given = parser.parse_args()
    console = Console()
    figures: list[Figure] = []
    with (
        tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder,
        EmbeddedPostgres(Path(folder) / "data") as server,
    ):
        for name in given.only or PARTS:
            console.print(f"measuring {name} ...", style="dim")
            figures += asyncio.run(PARTS[name](databases.create(server.url, name)))
        deadlocks = server.log.read_text(errors="replace").count("deadlock detected")
    figures.append(Figure("deadlocks in the server's log", deadlocks, ""))
    console.print(_table(figures))
    if given.json:
        given.json.write_text(json.dumps([asdict(f) | {"ratio": f.ratio} for f in figures], indent=2) + "\n")


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "value", "beside it", "ratio", title="one run, one server", title_justify="left")
    for figure in figures:
        beside = "" if figure.beside is None else f"{figure.beside:,.2f} {figure.unit} ({figure.what})"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        table.add_row(figure.name, f"{figure.value:,.2f} {figure.unit}", beside, ratio)
    return table


if __name__ == "__main__":
    main()
