"""Embeddings without a model: hashed counts of words, word pairs and letter groups.

Feature hashing with a sign bit (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009):
each feature adds +w or -w to one of the vector's places, so unrelated features cancel out on average. Counts weigh
1 + ln(count). Letter groups bring different forms of a word together; pairs of syllables do that for Korean, where
they weigh more than the word, whose endings vary.
"""

import math
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise

from offline_model.text.stop_words import STOP_WORDS
from offline_model.text.words import is_syllabic, pairs, stem, without_ending, words

DIMENSIONS = 1536
# Words that carry no subject keep a little weight, so that a text made of nothing else still has a direction.
_WORD, _PAIR, _GROUP, _STOP = 1.0, 0.5, 0.35, 0.1
_GROUP_LENGTH = 4


def embed(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Return the vector of `text`: `dimensions` floats with a Euclidean length of 1."""
    vector = [0.0] * dimensions
    for (feature, weight), count in Counter(_features(text)).items():
        digest = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "big")
        sign = 1.0 if digest & 1 else -1.0
        vector[(digest >> 1) % dimensions] += sign * weight * (1.0 + math.log(count))
    length = math.sqrt(math.fsum(value * value for value in vector))
    if length == 0.0:
        # Features that cancelled each other in few dimensions: any fixed direction is as good.
        return [1.0] + [0.0] * (dimensions - 1)
    return [value / length for value in vector]


def similarity(left: list[float], right: list[float]) -> float:
    """Return the cosine of two vectors of length 1: from -1 to 1."""
    return math.fsum(a * b for a, b in zip(left, right, strict=True))


def _features(text: str) -> Iterator[tuple[str, float]]:
    """Yield each feature of `text` with its weight; a text without words is one feature, its characters."""
    plain = words(text)
    if not plain:
        yield f"raw:{text}", _WORD
        return
    content = [word for word in plain if word not in STOP_WORDS]
    bases = [without_ending(stem(word)) for word in content]
    yield from ((f"word:{word}", _STOP) for word in plain if word in STOP_WORDS)
    for word, base in zip(content, bases, strict=True):
        whole, part = (_PAIR, _WORD) if is_syllabic(word) else (_WORD, _GROUP)
        yield f"word:{base}", whole
        yield from ((f"part:{piece}", part) for piece in (pairs(base) if is_syllabic(word) else _letter_groups(word)))
    yield from ((f"pair:{left} {right}", _PAIR) for left, right in pairwise(bases))


def _letter_groups(word: str) -> Iterator[str]:
    framed = f"<{word}>"
    return (framed[i : i + _GROUP_LENGTH] for i in range(max(len(framed) - _GROUP_LENGTH + 1, 1)))
