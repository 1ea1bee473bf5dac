"""The outside world that is told when an instance has ended: a webhook receiver with a ledger.

`python -m chaos.ends_ledger --port P --ledger FILE --seed S --faults ends_500,ends_drop`. It writes down each message
with its id, and then answers, refuses or hangs up, as dice say that are thrown for the message and for how often it
came. A message may come more often; an instance that ended once is in messages of one id.
"""

import argparse
import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CHANCES = {"ends_500": 0.04, "ends_drop": 0.04}
_TABLE = "create table if not exists told (instance text, message text, fate text)"


class Ends:
    """The receiver: `seed` throws the dice for `faults`, a subset of CHANCES."""

    def __init__(self, file: str, seed: str, faults: list[str]):
        self._book = sqlite3.connect(file, isolation_level=None)
        self._book.execute("pragma journal_mode = wal")
        self._book.execute(_TABLE)
        self._seed = seed
        self._faults = faults

    async def take(self, request: Request) -> Response:
        """POST /."""
        body = await request.json()
        message, instance = request.headers["webhook-id"], body["data"]["proc_inst_id"]
        [times] = self._book.execute("select count(*) from told where message = ?", [message]).fetchone()
        dice = random.Random(f"{self._seed} {instance} {times}")
        fate = dice.choices([*CHANCES, "answer"], [*CHANCES.values(), 1 - sum(CHANCES.values())])[0]
        fate = fate if fate in self._faults else "answer"
        self._book.execute("insert into told values (?, ?, ?)", [instance, message, fate])
        if fate == "ends_drop":
            raise ConnectionAbortedError("dropped by dice")  # the server answers 500, or closes the connection
        return Response(status_code=500 if fate == "ends_500" else 204)


class EndsBook:
    """What the ledger says, read from outside."""

    def __init__(self, file: Path):
        self._file = file

    def ends(self) -> Counter[str]:
        """How often each instance ended: the number of ids of the messages about it."""
        return self._count("select instance, count(distinct message) from told group by instance")

    def faults(self) -> Counter[str]:
        """How often each fault was thrown."""
        return self._count("select fate, count(*) from told where fate <> 'answer' group by fate")

    def _count(self, query: str) -> Counter[str]:
        with closing(sqlite3.connect(self._file)) as book:
            return Counter(dict(book.execute(query).fetchall()))


def main() -> None:
    """Answer until killed."""
    parser = argparse.ArgumentParser(prog="python -m chaos.ends_ledger")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--faults", default="")
    given = parser.parse_args()
    ends = Ends(given.ledger, given.seed, given.faults.split(","))
    app = Starlette(routes=[Route("/", ends.take, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="critical", access_log=False)


if __name__ == "__main__":
    main()
