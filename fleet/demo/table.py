"""The demo's live table."""

from rich.live import Live
from rich.table import Table

from fleet.console import out
from fleet.demo.requests import Request
from fleet.demo.run import Run

_COLOURS = {"RUNNING": "yellow", "COMPLETED": "green", "ERROR": "red", "CANCELLED": "red"}
_OPEN = {"TODO", "PENDING", "IN_PROGRESS", "WAITING", "FAILED"}
_WORDS = {"TODO": "a person reviews", "PENDING": "queued", "IN_PROGRESS": "agent works", "FAILED": "failed"}


class DemoTable:
    """Fills as the runs go on. Use as `with`."""

    def __init__(self, requests: list[Request]):
        self._requests = requests
        self._live = Live(self._table([]), console=out, refresh_per_second=10)

    def __enter__(self) -> "DemoTable":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        out.print()

    def show(self, runs: list[Run]) -> None:
        """Show the runs as they are."""
        self._live.update(self._table(runs))

    def _table(self, runs: list[Run]) -> Table:
        table = Table("request", "category", "now at", "steps", "drafts", "status", "seconds", expand=True)
        for index, request in enumerate(self._requests):
            if index >= len(runs) or not runs[index].instance:
                table.add_row(request.request, "", "", "", "", "", "")
                continue
            run = runs[index]
            status = run.instance["status"]
            done = sum(task["status"] == "DONE" for task in run.instance["tasks"])
            table.add_row(
                request.request,
                str(run.instance["variables"].get("category", "")),
                _now_at(run),
                str(done),
                str(run.reviews or ""),
                f"[{_COLOURS.get(status, 'white')}]{status}[/]",
                f"{run.seconds:.1f}",
            )
        return table


def _now_at(run: Run) -> str:
    open_tasks = [task for task in run.instance["tasks"] if task["status"] in _OPEN]
    return ", ".join(f"{task['name']} ({_WORDS.get(task['status'], task['status'])})" for task in open_tasks)
