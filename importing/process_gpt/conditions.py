"""Translates a condition: a Python expression becomes CEL, or it is refused with the reason.

Process GPT gives the text to Python's `eval` without built-in functions. Here it is parsed, never run, and what has no
exact counterpart is refused. What is different:

- A missing variable is false there. Here it is an error, and so an incident.
- A value counts as true or false there. Here that is written out: `paid` becomes `!(paid in [null, false, "", 0, []])`.
- `"a" in field` looks into a text or a list there, whichever it is. Here too; the types of the forms are used where
  they are known.
- `&&`, `||`, `!`, `===`, `true`, `false` and `null` are no Python, so that such a condition was never true there. They
  are read as what they say.
"""

import ast
import math
import re
import warnings

from importing.process_gpt.vocabulary import CEL_NAME, Vocabulary, name_in_cel, text_in_cel
from process_engine.values.errors import ExpressionError
from process_engine.values.expressions import check

LONGEST_CONDITION = 2000
"""Characters. Python's parser recurses; so short a text cannot exhaust its stack."""

_SCOPE = re.compile(r"\s*(?P<form>[^\W\d]\w*)\s*:\s*(?P<rest>.+)", re.S)
_TOKEN = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(===|!==|&&|\|\||!(?!=))""", re.S)
_AS_PYTHON = {"===": "==", "!==": "!=", "&&": " and ", "||": " or ", "!": " not "}
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "==",
            ast.IsNot: "!="}  # fmt: skip
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_TEXT_TESTS = {"startswith": "startsWith", "endswith": "endsWith"}
_NOTHING = '[null, false, "", 0, []]'


class NotTranslatable(Exception):
    """The condition has no counterpart. The message says which part of it."""


def translate(text: str, words: Vocabulary) -> str:
    """The CEL expression, without a leading `=`, that is true when the condition is.

    Args:
        text: a Python expression, perhaps with the form it is about before it: `leave_form: days > 3`.
        words: the forms and fields of the definition.

    Raises:
        NotTranslatable: it is no such expression, or a part of it has no counterpart.
    """
    if len(text) > LONGEST_CONDITION:
        raise NotTranslatable(f"it has {len(text)} characters, more than {LONGEST_CONDITION}")
    scoped = _SCOPE.fullmatch(text)
    translated = _Translation(words).truth(_parsed(scoped["rest"] if scoped else text).body)
    try:
        check(translated)
    except ExpressionError as error:
        raise NotTranslatable(str(error)) from None
    return translated


def is_foreign(text: str) -> bool:
    """Whether a condition has operators that Python does not know: it was never true there."""
    return any(operator for _, operator in _TOKEN.findall(text))


def is_comparison(text: str) -> bool:
    """Whether words are a comparison all the same, such as `amount > 100`."""
    try:
        body = _parsed(text).body
    except NotTranslatable:
        return False
    return isinstance(body, ast.Compare | ast.BoolOp) and all(
        isinstance(part, ast.Compare) for part in (body.values if isinstance(body, ast.BoolOp) else [body])
    )


def _parsed(text: str) -> ast.Expression:
    python = _TOKEN.sub(lambda found: found[1] or _AS_PYTHON[found[2]], text).strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stranger's "\d" is not our business
            return ast.parse(python, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise NotTranslatable(f"it is no expression ({reason})") from None


class _Translation:
    """One condition; `truth` is for what must give true or false, `value` for anything."""

    def __init__(self, words: Vocabulary) -> None:
        self.words = words

    def truth(self, node: ast.expr) -> str:
        if isinstance(node, ast.BoolOp):
            sign = " && " if isinstance(node.op, ast.And) else " || "
            return sign.join(self._bracketed(part) for part in node.values)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._negation(node.operand)
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.Call) and self._method(node) in _TEXT_TESTS:
            return self._text_test(node)
        value = self.value(node)
        if isinstance(node, ast.Constant):
            return "true" if node.value else "false"
        return value if self._json_type(node) == "boolean" else f"!({value} in {_NOTHING})"

    def _negation(self, node: ast.expr) -> str:
        truth = self.truth(node)
        return truth.removeprefix("!(").removesuffix(")") if truth.endswith(f" in {_NOTHING})") else f"!({truth})"

    def value(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return _constant(node)
        if isinstance(node, ast.Name) and node.id in _WORDS:
            return _constant(ast.Constant(_WORDS[node.id]))
        path = self._path(node)
        if path is not None:
            return path
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return f"[{', '.join(map(self.value, node.elts))}]"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return f"-{self._operand(node.operand)}"
        if isinstance(node, ast.BinOp):
            return self._calculation(node)
        if isinstance(node, ast.BoolOp | ast.Compare) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            raise NotTranslatable(f"`{ast.unparse(node)}` is used as a value")
        raise NotTranslatable(f"`{ast.unparse(node)}` has no counterpart")

    def _bracketed(self, node: ast.expr) -> str:
        text = self.truth(node)
        return f"({text})" if isinstance(node, ast.BoolOp) or "?" in text or "||" in text or "&&" in text else text

    def _comparison(self, node: ast.Compare) -> str:
        lefts = [node.left, *node.comparators[:-1]]
        parts = [self._pair(*trio) for trio in zip(lefts, node.ops, node.comparators, strict=True)]
        return " && ".join(parts)

    def _pair(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> str:
        if isinstance(sign, ast.In | ast.NotIn):
            found = self._membership(left, right)
            return f"!({found})" if isinstance(sign, ast.NotIn) else found
        return f"{self._operand(left)} {_COMPARE[type(sign)]} {self._operand(right)}"

    def _membership(self, item: ast.expr, holder: ast.expr) -> str:
        sought, place = self._operand(item), self._operand(holder)
        kind = self._json_type(holder)
        if isinstance(holder, ast.List | ast.Tuple | ast.Set) or kind == "array":
            return f"{sought} in {place}"
        if kind == "string":
            return f"{place}.contains({sought})"
        return f"(type({place}) == string ? {place}.contains({sought}) : {sought} in {place})"

    def _operand(self, node: ast.expr) -> str:
        if isinstance(node, ast.Compare | ast.BoolOp):
            return f"({self.truth(node)})"
        text = self.value(node)
        return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp) else text

    def _calculation(self, node: ast.BinOp) -> str:
        sign = _ARITHMETIC.get(type(node.op))
        if sign is None:
            raise NotTranslatable(f"`{ast.unparse(node)}` has no counterpart")
        if sign == "+" and any(isinstance(side, ast.Constant) and isinstance(side.value, str)
                               for side in (node.left, node.right)):  # fmt: skip
            return f"{self._operand(node.left)} + {self._operand(node.right)}"
        # CEL does not mix int and double in arithmetic, and `/` on two ints would cut the fraction off.
        return f"double({self._operand(node.left)}) {sign} double({self._operand(node.right)})"

    def _method(self, node: ast.expr) -> str:
        return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""

    def _text_test(self, node: ast.Call) -> str:
        assert isinstance(node.func, ast.Attribute)
        if len(node.args) != 1 or node.keywords:
            raise NotTranslatable(f"`{ast.unparse(node)}` has no counterpart")
        return f"{self._operand(node.func.value)}.{_TEXT_TESTS[node.func.attr]}({self._operand(node.args[0])})"

    def _path(self, node: ast.expr) -> str | None:
        """A variable or a part of one: `days`, `leave_form.days`, `leave_form["days"]`, `address.city`."""
        if isinstance(node, ast.Name):
            return name_in_cel(node.id)
        holder, key = _step(node)
        if holder is None or key is None:
            return None
        if isinstance(holder, ast.Name) and self.words.form(holder.id) and isinstance(key, str):
            return name_in_cel(key)
        place = self._path(holder)
        if place is None:
            return None
        return f"{place}.{key}" if isinstance(key, str) and CEL_NAME.fullmatch(key) else f"{place}[{_literal(key)}]"

    def _json_type(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Name):
            return self.words.type_of(node.id)
        holder, key = _step(node)
        if isinstance(holder, ast.Name) and self.words.form(holder.id) and isinstance(key, str):
            return self.words.type_of(key)
        return None


def _step(node: ast.expr) -> tuple[ast.expr | None, str | int | None]:
    """What is asked for a part, and the name or place of the part."""
    if isinstance(node, ast.Attribute):
        return node.value, node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        key = node.slice.value
        if isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool) and key >= 0):
            return node.value, key
    return None, None


def _constant(node: ast.Constant) -> str:
    finite = not isinstance(node.value, float) or math.isfinite(node.value)
    if node.value is None or (isinstance(node.value, str | bool | int | float) and finite):
        return _literal(node.value)
    raise NotTranslatable(f"`{ast.unparse(node)}` has no counterpart")


def _literal(value: str | float | None) -> str:
    if isinstance(value, str):
        return text_in_cel(value)
    return (
        {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else repr(value)
    )
