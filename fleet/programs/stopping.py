"""SIGTERM and Ctrl-C end a program in order, whatever it is doing: every open context is left."""

import signal
from collections.abc import Generator
from contextlib import contextmanager


class _Stopped(BaseException):
    pass


@contextmanager
def until_stopped() -> Generator[list[int]]:
    """Run the block until it ends or the first SIGTERM or SIGINT comes; later ones are ignored, so that the end is not
    cut short. Gives a list that holds the signal's number afterwards.
    """
    came: list[int] = []

    def stop(number: int, _: object) -> None:
        if not came:
            came.append(number)
            raise _Stopped

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        yield came
    except _Stopped:
        return
