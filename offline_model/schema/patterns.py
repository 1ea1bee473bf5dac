"""The shortest text for a regular expression, for a required field whose text holds no match.

Covers what schemas use: literals, classes, escapes, groups, alternatives and quantifiers. For anything else the
result may not match; the final check of the filled schema then refuses it.
"""

import re

_SAMPLES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t", "b": "", "B": ""}
_QUANTIFIER = re.compile(r"[*?]\??|\+\??|\{(?P<least>\d*)(?:,\d*)?\}\??")
_GROUP_START = re.compile(r"\?(?:P?<\w+>|:)")
_LONGEST = 1000


def sample(pattern: str) -> str:
    """Return the shortest text this module can make for `pattern`."""
    text, _ = _alternatives(pattern, 0)
    return text


def _alternatives(pattern: str, at: int) -> tuple[str, int]:
    """Return the first alternative's text and the place after the alternatives (at a closing bracket or the end)."""
    first, at = _sequence(pattern, at)
    while at < len(pattern) and pattern[at] == "|":
        _, at = _sequence(pattern, at + 1)
    return first, at


def _sequence(pattern: str, at: int) -> tuple[str, int]:
    text = ""
    while at < len(pattern) and pattern[at] not in "|)":
        unit, at = _unit(pattern, at)
        quantifier = _QUANTIFIER.match(pattern, at)
        if quantifier:
            unit *= _least(quantifier)
            at = quantifier.end()
        text += unit
    return text[:_LONGEST], at


def _least(quantifier: re.Match[str]) -> int:
    if quantifier.group()[0] == "{":
        return min(int(quantifier["least"] or 0), _LONGEST)
    return 1 if quantifier.group()[0] == "+" else 0


def _unit(pattern: str, at: int) -> tuple[str, int]:
    character = pattern[at]
    if character in "^$":
        return "", at + 1
    if character == ".":
        return "a", at + 1
    if character == "\\" and at + 1 < len(pattern):
        return _SAMPLES.get(pattern[at + 1], pattern[at + 1]), at + 2
    if character == "[":
        return _class(pattern, at)
    if character == "(":
        start = _GROUP_START.match(pattern, at + 1)
        text, end = _alternatives(pattern, start.end() if start else at + 1)
        return text, end + 1
    return character, at + 1


def _class(pattern: str, at: int) -> tuple[str, int]:
    """Return a character of the class that starts at `at`, and the place after it."""
    end = at + 2 if pattern[at + 1 : at + 2] != "^" else at + 3
    while end < len(pattern) and pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    written = pattern[at : end + 1]
    one = re.compile(written)
    likely = "a0A- _.@" + "".join(map(chr, range(33, 127))) + "가"
    return next((character for character in likely if one.fullmatch(character)), ""), end + 1
