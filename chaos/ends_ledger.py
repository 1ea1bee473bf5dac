"""The outside world that is told when an instance has ended: a webhook receiver with a ledger.

`python -m chaos.ends_ledger --port P --book FILE --seed S --faults ends_500,ends_drop`. It writes down each message
with its id, and then answers, refuses or hangs up, as dice say that are thrown for the message and for how often it
came. A message may come more often; an instance that ended once is in messages of one id.
"""

import random
from collections import Counter
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chaos.server_kit import fate, open_book, read_arguments, read_book

CHANCES = {"ends_500": 0.04, "ends_drop": 0.04}
_TABLE = "create table if not exists told (instance text, message text, fate text)"


class Ends:
    """The receiver: `seed` throws the dice for `faults`, a subset of CHANCES."""

    def __init__(self, file: str, seed: str, faults: list[str]):
        self._book = open_book(file, _TABLE)
        self._seed = seed
        self._faults = faults

    async def take(self, request: Request) -> Response:
        """POST /."""
        body = await request.json()
        message, instance = request.headers["webhook-id"], body["data"]["proc_inst_id"]
        [times] = self._book.execute("select count(*) from told where message = ?", [message]).fetchone()
        dice = random.Random(f"{self._seed} {instance} {times}")
        thrown = fate(dice, CHANCES, self._faults)
        self._book.execute("insert into told values (?, ?, ?)", [instance, message, thrown])
        if thrown == "ends_drop":
            raise ConnectionAbortedError("dropped by dice")  # the server answers 500, or closes the connection
        return Response(status_code=500 if thrown == "ends_500" else 204)


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
        return Counter(dict(read_book(self._file, query)))


def main() -> None:
    """Answer until killed."""
    given = read_arguments("chaos.ends_ledger")
    ends = Ends(given.book, given.seed, given.faults)
    app = Starlette(routes=[Route("/", ends.take, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="critical", access_log=False)


if __name__ == "__main__":
    main()
