"""Words of a text and the terms by which two texts are compared, in English and Korean.

An English word is compared by a light stem, so that "refunds" meets "refund". A Korean (or Japanese, Chinese) word
is compared by its pairs of syllables, so that a particle at its end or a missing space does not hide it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from offline_model.text.stop_words import STOP_WORDS

HANGUL = "가-힣"
CJK = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{HANGUL}]+|[{CJK}]+|[^\W_{HANGUL}{CJK}]+(?:['’][^\W\d_{HANGUL}{CJK}]+)?")
_SYLLABIC = re.compile(rf"[{HANGUL}{CJK}]")
_KOREAN_SUFFIXES = """
했습니다 합니다 됩니다 입니다 습니다 하나요 되나요 인가요 할까요 될까요 까요 나요 하세요 해주세요
하려면 하려고 하는 하고 하면 해서 에서는 에서도 으로는 에서 에게 한테 까지 부터 으로 이나 이란 처럼 보다 마다 께서
은 는 이 가 을 를 에 의 로 와 과 도 만
"""
# Longest first: the first that fits is taken off.
_KOREAN_ENDINGS = tuple(sorted(_KOREAN_SUFFIXES.split(), key=len, reverse=True))


@dataclass(frozen=True)
class Word:
    """A word as it was written (`surface`) and the terms it is compared by (never empty)."""

    surface: str
    terms: tuple[str, ...]


def words(text: str) -> list[str]:
    """Return every word of `text` in order, lower-cased."""
    return [match.group().lower().replace("’", "'") for match in _WORD.finditer(text)]


def key_words(text: str, left_out: frozenset[str] = STOP_WORDS) -> list[Word]:
    """Return the distinct words of `text` that are not `left_out`, in order of first appearance, as written."""
    found: dict[tuple[str, ...], Word] = {}
    for match in _WORD.finditer(text):
        surface = match.group()
        plain = surface.lower().replace("’", "'")
        bare = without_ending(plain)
        if plain in left_out or bare in left_out or (len(plain) == 1 and not plain.isdigit()):
            continue
        written = bare if is_syllabic(plain) else surface
        terms = word_terms(bare)
        found.setdefault(terms, Word(written, terms))
    return list(found.values())


def term_set(text: str) -> frozenset[str]:
    """Return every term in `text`, to test the terms of a `Word` against."""
    return frozenset(term for word in words(text) for term in word_terms(word))


def word_terms(word: str) -> tuple[str, ...]:
    """Return the terms of one lower-cased word: its stem, or its pairs of syllables."""
    if not is_syllabic(word):
        return (stem(word),)
    return tuple(pairs(word)) if len(word) > 2 else (word,)


def pairs(word: str) -> Iterator[str]:
    """Yield each two neighbouring characters of `word`."""
    return (word[i : i + 2] for i in range(len(word) - 1))


def is_syllabic(word: str) -> bool:
    """Tell whether `word` is Korean, Japanese or Chinese, where a character is about a syllable."""
    return _SYLLABIC.match(word) is not None


def is_korean(text: str) -> bool:
    """Tell whether at least a third of the letters of `text` are Hangul."""
    letters = [character for character in text if character.isalpha()]
    return bool(letters) and 3 * sum("가" <= letter <= "힣" for letter in letters) >= len(letters)


def without_ending(word: str) -> str:
    """Return a Korean word without its particle or verb ending; any other word unchanged."""
    for ending in _KOREAN_ENDINGS if is_syllabic(word) else ():
        if word.endswith(ending) and len(word) - len(ending) >= 2:
            return word[: -len(ending)]
    return word


def stem(word: str) -> str:
    """Return the light English stem of a lower-cased word: plural, -ed, -ing, -ation and a last -e are taken off."""
    word = word.removesuffix("'s")
    if not word.isascii() or not word.isalpha() or len(word) < 4:
        return word
    word = _singular(word)
    for suffix, shortest in (("ation", 4), ("ing", 3), ("ed", 3)):
        rest = word.removesuffix(suffix)
        if rest != word and len(rest) >= shortest and any(vowel in rest for vowel in "aeiouy"):
            word = rest
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "ls":
        return word[:-1]
    if word.endswith("ll") and len(word) > 5:
        return word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
