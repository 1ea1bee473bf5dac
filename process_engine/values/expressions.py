"""Expressions: CEL (Common Expression Language, https://cel.dev) over the variables of a process instance.

Conditions, input and output mappings, and texts that start with `=` are CEL. A leading `=`, which the Camunda Modeler
writes before every expression, is dropped. Every variable is a name; `vars` is the map of all variables, for what a
name cannot say:

    category == "problem" && amount > 1000
    has(vars.comment) ? vars.comment : ""          a variable that may be absent
    vars["고객명"]                                   a variable whose name is not [A-Za-z_][A-Za-z0-9_]*

CEL cannot loop without end, read files or call Python. What a process author should know of it: text compares with
`==`; int and double do not mix in arithmetic (`double(count) * 1.5`); `size(text)` counts the bytes of its UTF-8 form;
the order in which a map is walked is not defined; an absent field is an error, which `has(map.field)` avoids.
"""

import re
from functools import lru_cache
from typing import NoReturn

import cel

from process_engine.values.errors import ExpressionError, NotPlainJson
from process_engine.values.plain_json import Json, plain_copy

LONGEST_EXPRESSION = 10_000
"""Characters. The CEL library recurses over an expression; at 100,000 chained operators it overflows the stack."""

MOST_STEPS = 20_000
"""Steps of the comprehensions of one expression; the library takes about 15 microseconds for each and holds the GIL."""

ALL_VARIABLES = "vars"

_FUNCTIONS = frozenset(
    {"size", "contains", "startsWith", "endsWith", "matches"}
    | {"int", "uint", "double", "string", "bytes", "timestamp", "duration", "type", "dyn"}
    | {"getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek"}
    | {"getHours", "getMinutes", "getSeconds", "getMilliseconds"}
)
"""The named functions the library knows; it reports a call of any other only when it evaluates it."""

_SIGNED_64_MIN, _UNSIGNED_64_MAX = -(2**63), 2**64 - 1
_TEXT_LITERAL = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
_COMPREHENSION = re.compile(r"\.\s*(?:map|filter|all|exists|exists_one)\s*\(")
_SYNTAX_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.+)")


def is_expression(text: str) -> bool:
    """Whether a value that may be literal text or an expression is an expression: it starts with `=`."""
    return text.lstrip().startswith("=")


def check(text: str) -> None:
    """Compile an expression without evaluating it.

    Raises:
        ExpressionError: it is empty, longer than 10,000 characters, has a syntax error, or calls an unknown function.
    """
    _compiled(text)


def evaluate(text: str, variables: dict[str, Json]) -> Json:
    """Evaluate an expression.

    Args:
        text: CEL, with or without a leading `=`.
        variables: the variables by name; also reachable together as `vars`.

    Returns:
        The result as plain JSON; dicts have their keys sorted, because CEL maps have no order.

    Raises:
        ExpressionError: the expression is wrong (see `check`), a variable or field is missing, types do not fit, an
            integer does not fit into 64 bits, or the result has no JSON form (a timestamp, a duration, bytes, NaN).
    """
    program = _compiled(text)
    context = _referenced(program, variables)
    _check_integers(context)
    _check_work(text, context)
    try:
        result = program.execute(context)
    except Exception as error:
        _fail(text, _reason(error))
    try:
        return _keys_sorted(plain_copy(result, "the result"))
    except NotPlainJson as error:
        _fail(text, str(error))


def evaluate_condition(text: str, variables: dict[str, Json]) -> bool:
    """Evaluate an expression whose result must be true or false; arguments and errors as in `evaluate`.

    Raises:
        ExpressionError: also when the result is not a bool: nothing else counts as true or false.
    """
    result = evaluate(text, variables)
    if not isinstance(result, bool):
        _fail(text, f"a condition must give true or false; this gives {result!r}")
    return result


def resolve_text(text: str, variables: dict[str, Json]) -> Json:
    """The value of a text that may be an expression: evaluated when it starts with `=`, else the text itself."""
    return evaluate(text, variables) if is_expression(text) else text


@lru_cache(maxsize=2048)
def _compiled(text: str) -> cel.Program:
    source = text.strip().removeprefix("=").strip()
    if not source:
        raise ExpressionError("the expression is empty")
    if len(source) > LONGEST_EXPRESSION:
        raise ExpressionError(f"the expression has {len(source)} characters; {LONGEST_EXPRESSION} are allowed")
    try:
        program = cel.compile(source)
    except Exception as error:
        raise ExpressionError(f"`{source}`: {_syntax_error(str(error))}{_hint(source)}") from error
    unknown = [name for name in program.functions() if name.isidentifier() and name not in _FUNCTIONS]
    if unknown:
        raise ExpressionError(f"`{source}`: unknown function {', '.join(unknown)}{_hint(source)}")
    return program


def _syntax_error(report: str) -> str:
    found = _SYNTAX_ERROR.search(report)
    if not found:
        return report
    line, column, message = found.groups()
    place = f"character {column}" if line == "1" else f"line {line}, character {column}"
    return f"syntax error at {place}: {message}"


def _hint(source: str) -> str:
    """What an author who is used to FEEL, the language of the Modeler, or to Java's `${ }` should write instead."""
    code = _TEXT_LITERAL.sub('""', source)
    if "${" in code:
        return "; write the expression without `${ }`"
    if re.search(r"(?<![=!<>])=(?!=)", code):
        return "; a single `=` does not compare here, write `==`"
    if re.search(r"\b(and|or|not|if|then|else)\b", code):
        return "; write `&&` for and, `||` for or, `!` for not, `a ? b : c` for if a then b else c"
    return ""


def _referenced(program: cel.Program, variables: dict[str, Json]) -> dict[str, Json]:
    """Only the variables the program names: converting the others would be most of the work."""
    context = {name: variables[name] for name in program.variables() if name in variables}
    if ALL_VARIABLES in program.variables():
        context[ALL_VARIABLES] = variables
    return context


def _check_work(text: str, context: dict[str, Json]) -> None:
    """Refuse comprehensions that would walk too much: n elements and k comprehensions are at most n ** k steps."""
    comprehensions = len(_COMPREHENSION.findall(text))
    if comprehensions:
        longest = max(_longest(context), text.count(",") + 1)
        if longest**comprehensions > MOST_STEPS:
            _fail(
                text, f"{comprehensions} comprehensions over up to {longest} elements walk more than {MOST_STEPS} steps"
            )


def _longest(value: Json) -> int:
    if isinstance(value, dict):
        return max([len(value), *map(_longest, value.values())])
    if isinstance(value, list):
        return max([len(value), *map(_longest, value)])
    return 0


def _check_integers(value: Json) -> None:
    """Refuse integers beyond 64 bits: the library would silently make them inexact floats."""
    if isinstance(value, dict):
        for item in value.values():
            _check_integers(item)
    elif isinstance(value, list):
        for item in value:
            _check_integers(item)
    elif isinstance(value, int) and not _SIGNED_64_MIN <= value <= _UNSIGNED_64_MAX:
        raise ExpressionError(f"the integer {value} does not fit into 64 bits; keep such numbers as text")


def _keys_sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _keys_sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_keys_sorted(item) for item in value]
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no field {error.args[0]!r}; has(map.field) asks whether there is one"
    return str(error).split(". Check that", 1)[0]


def _fail(text: str, reason: str) -> NoReturn:
    raise ExpressionError(f"`{text.strip().removeprefix('=').strip()}`: {reason}")
