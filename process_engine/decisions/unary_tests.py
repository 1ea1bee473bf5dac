"""The cells of a decision table's inputs: simple unary tests of S-FEEL (DMN 1.3, clause 9.2, rules 4 to 18).

    -                        anything
    "gold", "silver"         one of these
    < 10   >= 5.5            a comparison
    [18..65]  (0..1)  ]0..1[  an interval, closed or open at each end
    not("gold", < 3)         none of these
    date("2030-01-31")       a day; date and time("2030-01-31T09:00:00Z") a moment
    limit                    a variable, or a field of one (order.limit)

A cell is parsed when the decision is deployed; evaluating it compares values and nothing else.
"""

import re
from datetime import date, datetime
from typing import Any, NoReturn, TypedDict

from process_engine.values.errors import ExpressionError
from process_engine.values.plain_json import Json

LONGEST_CELL = 2_000
"""Characters."""


class LiteralOperand(TypedDict):
    """A JSON scalar."""

    literal: Json


class PathOperand(TypedDict):
    """A variable and fields of it."""

    path: list[str]


class DayOperand(TypedDict):
    """A date, ISO 8601 text."""

    day: str


class MomentOperand(TypedDict):
    """A date with time and offset, ISO 8601 text."""

    moment: str


Operand = LiteralOperand | PathOperand | DayOperand | MomentOperand


class Comparison(TypedDict):
    """`op` is one of = < <= > >=."""

    op: str
    value: Operand


class Interval(TypedDict):
    """From `low` to `high`; `low_in` and `high_in`: the end itself is part of it."""

    low: Operand
    high: Operand
    low_in: bool
    high_in: bool


Test = Comparison | Interval


class Cell(TypedDict):
    """What an input must satisfy: any of `tests`, none where `negated`; no tests: anything."""

    negated: bool
    tests: list[Test]


_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"(?:\\.|[^\"\\])*\")|(?P<number>-?(?:\d+(?:\.(?!\.)\d+)?|\.\d+))|(?P<dots>\.\.)"
    r"|(?P<time>date\s+and\s+time\b)|(?P<name>[^\W\d]\w*(?:\.(?!\.)[^\W\d]\w*)*)|(?P<sign><=|>=|[-<>=,()\[\]]))"
)
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'"}


def parse_cell(text: str) -> Cell:
    """Read a cell.

    Raises:
        ExpressionError: it is no simple unary test. The message says where, and what may be written.
    """
    if len(text) > LONGEST_CELL:
        raise ExpressionError(f"a cell of {len(text)} characters; {LONGEST_CELL} are allowed")
    if text.strip() in ("", "-"):
        return Cell(negated=False, tests=[])
    return _Parser(text).cell()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._tokens = self._split()
        self._next = 0

    def cell(self) -> Cell:
        negated = self._peek() == ("name", "not") and self._tokens[self._next + 1][1] == "("
        if negated:
            self._next += 2
        tests = [self._test()]
        while self._take(","):
            tests.append(self._test())
        if negated and not self._take(")"):
            self._fail("a closing `)` is missing")
        if self._peek()[0] != "end":
            self._fail(f"`{self._peek()[1]}` is not expected here")
        return Cell(negated=negated, tests=tests)

    def _test(self) -> Test:
        for sign in ("<=", ">=", "<", ">", "="):
            if self._take(sign):
                return Comparison(op=sign, value=self._operand())
        for sign in ("[", "(", "]"):
            if self._take(sign):
                return self._interval(low_in=sign == "[")
        return Comparison(op="=", value=self._operand())

    def _interval(self, *, low_in: bool) -> Interval:
        low = self._operand()
        if not self._take(".."):
            self._fail("an interval is written [low..high]")
        high = self._operand()
        high_in = self._take("]")
        if not high_in and not self._take(")") and not self._take("["):
            self._fail("an interval ends with `]`, `)` or `[`")
        return Interval(low=low, low_in=low_in, high=high, high_in=high_in)

    def _operand(self) -> Operand:
        kind, text = self._peek()
        self._next += 1
        if kind == "text":
            return LiteralOperand(literal=_unescaped(text))
        if kind == "number":
            return LiteralOperand(literal=float(text) if "." in text else int(text))
        if kind == "time" or (kind == "name" and text == "date"):
            return self._moment(kind == "name")
        if kind == "name" and text in _WORDS:
            return LiteralOperand(literal=_WORDS[text])
        if kind == "name" and text != "not" and self._peek()[1] != "(":
            return PathOperand(path=text.split("."))
        return self._fail(f"`{text}` is no literal and no name" if text else "something is missing at the end")

    def _moment(self, is_day: bool) -> Operand:
        if not self._take("("):
            return self._fail('a date is written date("2030-01-31")')
        kind, text = self._peek()
        self._next += 1
        if kind != "text" or not self._take(")"):
            return self._fail('a date is written date("2030-01-31")')
        value = _unescaped(text)
        try:
            return (
                DayOperand(day=date.fromisoformat(value).isoformat())
                if is_day
                else MomentOperand(moment=_moment(value))
            )
        except ValueError:
            return self._fail(f"`{value}` is no ISO 8601 date" + ("" if is_day else " and time"))

    def _take(self, sign: str) -> bool:
        if self._peek()[1] == sign and self._peek()[0] in ("sign", "dots"):
            self._next += 1
            return True
        return False

    def _peek(self) -> tuple[str, str]:
        return self._tokens[min(self._next, len(self._tokens) - 1)]

    def _split(self) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        place = 0
        while place < len(self._text):
            found = _TOKEN.match(self._text, place)
            if found is None:
                self._fail(f"`{self._text[place : place + 20].strip()}` cannot be read")
            tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            place = found.end()
        return [*tokens, ("end", ""), ("end", "")]

    def _fail(self, reason: str) -> NoReturn:
        raise ExpressionError(
            f"`{self._text}`: {reason}; a cell holds literals, comparisons, [intervals], not(...), names, or -"
        )


def holds(cell: Cell, value: Json, variables: dict[str, Json]) -> bool:
    """Whether an input's value satisfies a cell.

    Raises:
        ExpressionError: a name of the cell is no variable, or an order is asked of values that have none together.
    """
    return not cell["tests"] or any(_passes(test, value, variables) for test in cell["tests"]) != cell["negated"]


def _passes(test: Test, value: Json, variables: dict[str, Json]) -> bool:
    if "low" in test:
        low, high = _value(test["low"], variables), _value(test["high"], variables)
        return (_compare(">=", value, low) if test["low_in"] else _compare(">", value, low)) and (
            _compare("<=", value, high) if test["high_in"] else _compare("<", value, high)
        )
    return _compare(test["op"], value, _value(test["value"], variables))


def _value(operand: Operand, variables: dict[str, Json]) -> Any:
    if "literal" in operand:
        return operand["literal"]
    if "day" in operand:
        return date.fromisoformat(operand["day"])
    if "moment" in operand:
        return datetime.fromisoformat(operand["moment"])
    value: Json = variables
    for name in operand["path"]:
        if not isinstance(value, dict) or name not in value:
            raise ExpressionError(f"`{'.'.join(operand['path'])}`: there is no {name!r}")
        value = value[name]
    return value


def _compare(op: str, value: Json, other: Any) -> bool:
    """Compare; null has no order and no date is null, so both are false (DMN 1.3, table 42)."""
    left = _as_date(value, other)
    if op == "=":
        return type_of(left) == type_of(other) and left == other
    if left is None or other is None:
        return False
    if type_of(left) != type_of(other) or type_of(left) not in ("number", "text", "day", "moment"):
        raise ExpressionError(f"{value!r} cannot be compared with `{op} {other}`: {_what(left)} and {_what(other)}")
    return {"<": left < other, "<=": left <= other, ">": left > other, ">=": left >= other}[op]


def _as_date(value: Json, other: Any) -> Any:
    if not isinstance(value, str) or not isinstance(other, date):
        return value
    try:
        return datetime.fromisoformat(_moment(value)) if isinstance(other, datetime) else date.fromisoformat(value)
    except ValueError:
        raise ExpressionError(f"{value!r} is no ISO 8601 {_what(other)}") from None


def type_of(value: Any) -> str:
    """The kind of a value, by which values compare."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime):
        return "moment"
    return "day" if isinstance(value, date) else type(value).__name__


def _what(value: Any) -> str:
    return {"day": "date", "moment": "date with time and offset"}.get(type_of(value), type_of(value))


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset from UTC")
    return moment.isoformat()


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(0)), text[1:-1])
