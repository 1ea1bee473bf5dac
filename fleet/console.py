"""Where the command line writes: results to `out`, messages to `err`."""

from typing import Any

from rich.console import Console
from rich.table import Table

out = Console()
err = Console(stderr=True)


def show(rows: list[dict[str, Any]], as_json: bool, columns: list[str], title: str) -> None:
    """Print `rows` as a table of `columns`, or as JSON."""
    if as_json:
        out.print_json(data=rows)
        return
    table = Table(title=f"{len(rows)} {title}", title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[_cell(row.get(column)) for column in columns])
    out.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
