"""The lines of a `zeebe:ioMapping`: which expression becomes which variable, into an activity and out of it."""

from typing import Literal

from process_engine.reading.settings.extensions import Extensions
from process_engine.reading.xml_source import Element, local_name
from process_engine.values import expressions
from process_engine.values.errors import ExpressionError
from process_engine.values.variables import Mapping


def read_mappings(activity: Extensions, direction: Literal["input", "output"]) -> list[Mapping]:
    """The lines of one direction, in the order of the file; what is wrong is reported to the activity's problems."""
    holder = activity.parts.get("ioMapping")
    lines = [] if holder is None else [line for line in holder if local_name(line) == direction]
    return [_read_line(activity, line) for line in lines]


def _read_line(activity: Extensions, line: Element) -> Mapping:
    source, target = line.get("source") or "", line.get("target") or ""
    if not all(part.strip() for part in target.split(".")):
        activity.complain(f"has a mapping to {target!r}; a target is a name, or names joined by dots", at=line)
    check_expression(activity, source, line)
    return Mapping(source=source, target=target)


def check_expression(activity: Extensions, text: str, at: Element | None) -> None:
    """Report an expression that cannot be run; `at` is the setting that holds it."""
    try:
        expressions.check(text)
    except ExpressionError as error:
        activity.complain(f"has an expression that cannot be run: {error}", at=at)
