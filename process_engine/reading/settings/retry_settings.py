"""The retry policy of a task: what its headers say, and where they are silent the properties of its process."""

import re
from collections.abc import Mapping
from typing import TypedDict

from kernel.error_classes import NEVER_RETRIED, ErrorClass
from process_engine.reading.settings.extensions import Extensions
from process_engine.reading.xml_source import Element
from process_engine.values.timers import duration_seconds

RETRY_HEADERS = frozenset({"retryDelay", "retryFactor", "retryMaxDelay", "retryOn"})
LONGEST_DELAY_SECONDS = 30 * 86_400
LARGEST_FACTOR = 10


class RetryPolicy(TypedDict, total=False):
    """What a definition says about retries, as kernel.retry_policy of init.sql has it; what is absent has a default.

    `first_seconds`: the pause after the first failed attempt; `factor`: by what it grows; `cap_seconds`: the longest;
    `retry_on`: the error classes after which another attempt is made.
    """

    first_seconds: float
    factor: float
    cap_seconds: float
    retry_on: list[str]


def read_retry_policy(source: Extensions, settings: Mapping[str, Element], default: RetryPolicy) -> RetryPolicy:
    """Read the settings named in RETRY_HEADERS.

    Args:
        source: the task or process, for complaints.
        settings: its headers or properties by name, each an element with a `value`.
        default: what holds where a setting is absent.
    """
    policy: RetryPolicy = {**default}
    if (first := _delay(source, settings, "retryDelay")) is not None:
        policy["first_seconds"] = first
    if (factor := _factor(source, settings)) is not None:
        policy["factor"] = factor
    if (cap := _delay(source, settings, "retryMaxDelay")) is not None:
        policy["cap_seconds"] = cap
    if (classes := _classes(source, settings)) is not None:
        policy["retry_on"] = classes
    own = [settings[name] for name in ("retryMaxDelay", "retryDelay") if name in settings]
    first, cap = policy.get("first_seconds", 0), policy.get("cap_seconds", LONGEST_DELAY_SECONDS)
    if own and first > cap:
        source.complain(f"has a retryDelay of {first:g} s, longer than the retryMaxDelay of {cap:g} s", at=own[0])
    return policy


def _delay(source: Extensions, settings: Mapping[str, Element], name: str) -> float | None:
    if name not in settings:
        return None
    value = settings[name].get("value", "")
    try:
        seconds = duration_seconds(value.strip())
        if 1 <= seconds <= LONGEST_DELAY_SECONDS:
            return seconds
        fault = "it is PT1S to P30D"
    except ValueError as error:
        fault = str(error)
    source.complain(f"has the {name} {value!r}: {fault}", at=settings[name])
    return None


def _factor(source: Extensions, settings: Mapping[str, Element]) -> float | None:
    if "retryFactor" not in settings:
        return None
    value = settings["retryFactor"].get("value", "")
    if re.fullmatch(r"\d{1,2}(\.\d{1,6})?", value.strip()) and 1 <= float(value) <= LARGEST_FACTOR:
        return float(value)
    source.complain(f"has the retryFactor {value!r}; it is a number, 1 to {LARGEST_FACTOR}", at=settings["retryFactor"])
    return None


def _classes(source: Extensions, settings: Mapping[str, Element]) -> list[str] | None:
    if "retryOn" not in settings:
        return None
    named = [name.strip() for name in settings["retryOn"].get("value", "").split(",")]
    known = [error_class.value for error_class in ErrorClass if error_class not in NEVER_RETRIED]
    wrong = [name for name in named if name not in known]
    for name in wrong:
        never = name in NEVER_RETRIED
        fault = f"{name!r} is never retried" if never else f"{name!r} is no error class"
        source.complain(f"has the retryOn {fault}; it may name {', '.join(known)}", at=settings["retryOn"])
    return None if wrong else named
