"""Timers as a model writes them: ISO 8601 dates, durations and repeating intervals.

Nothing here reads a clock. A timer that begins says when it is due relative to then, and the database, whose clock is
the only one, makes a time of it.
"""

import re
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

TimerType = Literal["date", "duration", "cycle"]

LONGEST_YEARS = 100
SHORTEST_CYCLE_SECONDS = 1

_DURATION = re.compile(
    r"P(?=[\dT])(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?"
    r"(?:T(?=\d)(?:(\d{1,8})H)?(?:(\d{1,8})M)?(?:(\d{1,10}(?:\.\d{1,6})?)S)?)?"
)
_SECONDS = (31_557_600, 2_629_800, 604_800, 86_400, 3_600, 60, 1)  # of year, month, week, day, hour, minute, second
_CYCLE = re.compile(r"R(\d{0,6})/(?:([^/P]+)/)?(P[^/]+)")


class Schedule(TypedDict):
    """When a timer is due: at `at`; or `after` a duration; or again and again, `every` duration.

    A cycle begins `at` a date, where it names one, and fires `times`; None is for ever. Dates and durations are ISO
    8601 text, dates with an offset from UTC.
    """

    at: NotRequired[str]
    after: NotRequired[str]
    every: NotRequired[str]
    times: NotRequired[int | None]


def schedule(kind: TimerType, text: str) -> Schedule:
    """Read the text of a timeDate, timeDuration or timeCycle.

    Raises:
        ValueError: it is not what ISO 8601 calls so, or out of bounds. The message says how to write it.
    """
    text = text.strip()
    if kind == "date":
        return Schedule(at=_date(text))
    if kind == "duration":
        duration_seconds(text)
        return Schedule(after=text)
    return _cycle(text)


def _date(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an ISO 8601 date with time, such as 2030-01-31T09:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"the date {text!r} has no time zone; add Z or an offset such as +09:00")
    return moment.isoformat()


def duration_seconds(text: str) -> float:
    """A duration of ISO 8601 in seconds, a year being 365.25 days. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an ISO 8601 duration, such as PT30M or P1DT12H")
    seconds = sum(float(part or 0) * unit for part, unit in zip(found.groups(), _SECONDS, strict=True))
    if seconds > LONGEST_YEARS * _SECONDS[0]:
        raise ValueError(f"the duration {text!r} is longer than {LONGEST_YEARS} years")
    return seconds


def _cycle(text: str) -> Schedule:
    found = _CYCLE.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is not an ISO 8601 repeating interval such as R3/PT10M or R/P1D; cron is not supported"
        )
    times, begin, every = found.groups()
    if duration_seconds(every) < SHORTEST_CYCLE_SECONDS:
        raise ValueError(f"the cycle {text!r} is shorter than {SHORTEST_CYCLE_SECONDS} second")
    if times == "0":
        raise ValueError(f"the cycle {text!r} never fires; write R for ever, or R1 and more")
    result = Schedule(every=every, times=int(times) if times else None)
    if begin:
        result["at"] = _date(begin)
    return result
