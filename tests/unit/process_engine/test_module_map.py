"""The maps of modules at the head of each room: all are in it, and each stands below what it imports."""

import ast
import re
from pathlib import Path

import pytest

import process_engine

ROOT = Path(process_engine.__file__).parent
ROOMS = ["values", "reading", "reading.settings", "reading.graph", "elements", "running", "committing"]


def modules(room: str) -> set[str]:
    folder = ROOT / room.replace(".", "/")
    return {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()} - {
        "__init__"
    }


def map_lines(room: str) -> dict[str, int]:
    """The line of the map of each module: its names are before two spaces, and after them what they are for."""
    text = ast.get_docstring(ast.parse((ROOT / room.replace(".", "/") / "__init__.py").read_text()), clean=False)
    named: dict[str, int] = {}
    for number, line in enumerate((text or "").splitlines()):
        names, gap, _ = line.strip().partition("  ")
        if gap:
            named.update(dict.fromkeys(re.findall(r"\w+", names), number))
    return named


def imported_by(room: str, module: str) -> set[str]:
    path = ROOT / room.replace(".", "/") / module
    paths = list(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    found: set[str] = set()
    here = f"process_engine.{room}"
    for node in (node for path in paths for node in ast.walk(ast.parse(path.read_text()))):
        if isinstance(node, ast.ImportFrom) and node.module == here:
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(here + "."):
            found.add((node.module or "").removeprefix(here + ".").split(".")[0])
    return found & modules(room) - {module}


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_is_in_the_map_of_its_room(room: str) -> None:
    assert modules(room) ^ map_lines(room).keys() == set()


@pytest.mark.parametrize("room", ROOMS)
def test_each_module_stands_on_its_line_or_below_what_it_imports(room: str) -> None:
    line = map_lines(room)
    upwards = {(name, other) for name in line for other in imported_by(room, name) if line[other] > line[name]}
    assert upwards == set()
