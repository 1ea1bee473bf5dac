"""Numbers for a numeric field: the one in the text whose neighbours speak of the field, within its bounds."""

import math
import re
from collections.abc import Iterator
from typing import Any

from offline_model.schema.facts import Facts
from offline_model.schema.values import Field, Filled, stems
from offline_model.text.stop_words import STOP_WORDS
from offline_model.text.words import term_set, words

_NUMBER = re.compile(r"(?<![\w.,-])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\w.,-])-?\d+(?:\.\d+)?")
_CONFIDENCE = stems("confidence relevance probability certainty likelihood score 확신도 신뢰도")
_ORDINAL = stems("number index marker ordinal n ref")
_NEIGHBOURHOOD = 30


def number_value(field: Field, facts: Facts) -> Filled:
    """Return a number within the field's bounds: found in the text, how sure the answer is, or the one nearest to 0."""
    whole = field.schema.get("type") == "integer"
    if facts.source and whole and field.is_called(_ORDINAL):
        return Filled(facts.source.number, found=True)
    for text in _texts(facts):
        described = "" if facts.calling else field.description
        found = [number for number in _spoken_of(f"{field.name} {described}", text, whole) if _is_within(field, number)]
        if found:
            return Filled(found[0], found=True)
    if field.is_called(_CONFIDENCE) and not whole:
        sure = facts.reading.answer.confidence * (100 if field.schema.get("maximum") == 100 else 1)
        if _is_within(field, sure):
            return Filled(sure, found=True)
    return Filled(_nearest_to_zero(field, whole), found=False)


def _texts(facts: Facts) -> Iterator[str]:
    """Yield the texts to look in, the nearest first."""
    if facts.source:
        yield facts.source.passage.text
        return
    yield facts.reading.request.subject
    yield facts.reading.request.comment
    yield facts.reading.request.instruction
    yield " ".join(sentence for sentence, _ in facts.reading.answer.lines)


def _spoken_of(field: str, text: str, whole: bool) -> list[int | float]:
    """Return the numbers of `text` that have a word of what is told of the `field` near them, the best first."""
    told = [word for word in words(field.replace("_", " ")) if word not in STOP_WORDS]
    wanted = term_set(" ".join(told))
    ranked: list[tuple[int, int, int, int | float]] = []
    for match in _NUMBER.finditer(text):
        before = words(text[max(match.start() - _NEIGHBOURHOOD, 0) : match.start()])[::-1]
        after = words(text[match.end() : match.end() + _NEIGHBOURHOOD])
        near = [place for side in (before, after) for place, word in enumerate(side) if wanted & term_set(word)]
        number = float(match.group().replace(",", ""))
        if near and (number.is_integer() or not whole):
            plain = int(number) if number.is_integer() else number
            ranked.append((-len(near), min(near), match.start(), plain))
    return [number for *_, number in sorted(ranked)]


def _is_within(field: Field, number: float) -> bool:
    lowest, highest = _bounds(field.schema)
    above = field.schema.get("exclusiveMinimum", -math.inf)
    below = field.schema.get("exclusiveMaximum", math.inf)
    step = field.schema.get("multipleOf")
    return lowest <= number <= highest and above < number < below and (not step or (number / step).is_integer())


def _nearest_to_zero(field: Field, whole: bool) -> int | float:
    """Return the allowed number nearest to 0 (the final check refuses it when bounds leave none)."""
    lowest, highest = _bounds(field.schema)
    step = field.schema.get("multipleOf") or (1 if whole else 0)
    above, below = field.schema.get("exclusiveMinimum", -math.inf), field.schema.get("exclusiveMaximum", math.inf)
    number = min(max(0, lowest), highest)
    if step:
        number = math.ceil(number / step) * step if number > 0 else math.floor(number / step) * step
    inch = step or _inch(max(lowest, above), min(highest, below))
    if number <= above:
        number = above + inch if not step else (math.floor(above / step) + 1) * step
    elif number >= below:
        number = below - inch if not step else (math.ceil(below / step) - 1) * step
    return int(number) if float(number).is_integer() else number


def _inch(low: float, high: float) -> float:
    """Return a distance that stays between two bounds."""
    return 1 if math.isinf(low) or math.isinf(high) or high - low > 1 else (high - low) / 2


def _bounds(schema: Any) -> tuple[float, float]:
    return schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
