"""The command `fleet check`: reads BPMN and DMN files without deploying them and says what is wrong with each."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fleet.console import out
from process_engine.decisions.reader import parse_decisions
from process_engine.reading.definition import parse
from process_engine.reading.xml_source import process_ids
from process_engine.values.errors import DefinitionInvalid

_ENDINGS = {".bpmn", ".dmn"}


def add_to(app: typer.Typer) -> None:
    """Add this room's command."""
    app.command()(check)


def check(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files, or folders with .bpmn and .dmn files.")],
    every_process: Annotated[
        bool, typer.Option("--every-process", help="Check each process of a file, executable or not.")
    ] = False,
) -> None:
    """Say which BPMN and DMN files can be run, and of the others everything that is wrong, without deploying them.

    Needs no database. What a file refers to (called processes, decisions, orchestrators) is not looked for.
    """
    runs = refused = 0
    for path in _files(paths):
        for process in process_ids(path.read_bytes()) if every_process and _is_bpmn(path) else [None]:
            problems = _problems(path, process)
            runs, refused = runs + (not problems), refused + bool(problems)
            what = f"{path} {process}" if process else str(path)
            _print(f"{what}: {'refused' if problems else 'can be run'}")
            for problem in problems:
                _print(f"  {problem}")
    out.print(f"{runs} can be run, {refused} refused", highlight=False)
    if refused or not runs:
        raise typer.Exit(1)


def _print(line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)


def _is_bpmn(path: Path) -> bool:
    return path.suffix.lower() != ".dmn"


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS)
        else:
            yield path


def _problems(path: Path, process: str | None) -> list[str]:
    try:
        if _is_bpmn(path):
            parse(path.read_bytes(), process)
        else:
            parse_decisions(path.read_bytes())
    except DefinitionInvalid as refused:
        return [problem.message for problem in refused.problems]
    return []
