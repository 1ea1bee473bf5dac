"""The map of modules in process_engine/__init__.py: all are in it, and each stands below what it imports."""

import ast
import re
from pathlib import Path

import process_engine

FOLDER = Path(process_engine.__file__).parent
MODULES = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} | {"decisions"}


def map_lines() -> dict[str, int]:
    """The line of the map of each module: its names are before two spaces, and after them what they are for."""
    lines = (process_engine.__doc__ or "").partition("from the ground up:")[2].splitlines()
    named: dict[str, int] = {}
    for number, line in enumerate(lines):
        names, _, _ = line.strip().partition("  ")
        named.update(dict.fromkeys(re.findall(r"\w+", names), number))
    return named


def imported_by(module: str) -> set[str]:
    paths = [FOLDER / f"{module}.py"] if module != "decisions" else list((FOLDER / module).glob("*.py"))
    found: set[str] = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "process_engine":
                inside = (node.module or "").split(".")[1:2]
                found.update(inside or [alias.name for alias in node.names])
    return found & MODULES - {module}


def test_every_module_is_in_the_map() -> None:
    assert MODULES - map_lines().keys() == set()


def test_each_module_stands_on_its_line_or_below_what_it_imports() -> None:
    line = map_lines()
    upwards = {(module, other) for module in MODULES for other in imported_by(module) if line[other] > line[module]}
    assert upwards == set()
