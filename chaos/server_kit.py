"""What the servers of a run share: a book of what came, dice that decide what fails, and their arguments."""

import argparse
import random
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

ANSWER = "answer"


def open_book(file: str, tables: str) -> sqlite3.Connection:
    """The database `file`, which commits each statement; `tables` makes its tables where they are missing."""
    book = sqlite3.connect(file, isolation_level=None)
    book.execute("pragma journal_mode = wal")
    book.executescript(tables)
    return book


def read_book(file: Path, query: str) -> list[Any]:
    """The rows of `query`, read from outside while the server writes."""
    with closing(sqlite3.connect(file)) as book:
        return book.execute(query).fetchall()


def fate(dice: random.Random, chances: Mapping[str, float], faults: list[str]) -> str:
    """One of `chances`, {fault: probability}, where it is among `faults`; else ANSWER.

    Leaving a fault out changes nothing of the others: the dice are thrown for all of them.
    """
    thrown = dice.choices([*chances, ANSWER], [*chances.values(), 1 - sum(chances.values())])[0]
    return thrown if thrown in faults else ANSWER


def read_arguments(program: str) -> argparse.Namespace:
    """`port`, `book` (a file), `seed` and `faults` (a list) of the command line of `program`."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--book", required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--faults", type=lambda text: text.split(","), default=[])
    return parser.parse_args()
