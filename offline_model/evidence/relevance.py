"""How well a text meets a query: the share of the query's words it holds, rare words counting more.

A word weighs ln(1 + (N + 1) / (n + 0.5)), N texts in all, n of them holding it: inverse document frequency as in
Okapi BM25 (Robertson & Zaragoza, 2009), kept positive. A syllabic word counts as held by the share of its pairs.
"""

import math
from collections.abc import Sequence

from offline_model.text.words import Word, key_words, term_set

_HELD = 0.5
_ENOUGH_SHARE = 0.25
_ENOUGH_WORDS = 3


class Query:
    """The key words of a request, weighed over the texts it is asked of."""

    def __init__(self, words: Sequence[Word], asked_of: Sequence[frozenset[str]]) -> None:
        """Weigh each of `words` over `asked_of` (the `term_set` of every candidate text)."""
        self.words = words
        self._weights = {word: _weight(word, asked_of) for word in self.words}
        self._total = sum(self._weights.values())

    def share(self, terms: frozenset[str]) -> float:
        """Return the weighed share of the query's words in `terms`: from 0 to 1 (0 for a query without words)."""
        if not self.words:
            return 0.0
        return sum(weight * held(word, terms) for word, weight in self._weights.items()) / self._total

    def is_met(self, terms: frozenset[str]) -> bool:
        """Tell whether `terms` hold a quarter of the query's weight, or three of its words."""
        return self.share(terms) >= _ENOUGH_SHARE or (
            sum(held(word, terms) >= _HELD for word in self.words) >= _ENOUGH_WORDS
        )


def held(word: Word, terms: frozenset[str]) -> float:
    """Return the share of the word's terms that are in `terms`: from 0 to 1."""
    return sum(term in terms for term in word.terms) / len(word.terms)


def overlap(query: str, text: str) -> int:
    """Return how many key words of `query` are in `text`."""
    terms = term_set(text)
    return sum(held(word, terms) >= _HELD for word in key_words(query))


def search_terms(subject: Sequence[Word], comment: Sequence[Word] = ()) -> str:
    """Return the query to search with: up to eight key words of the subject and four of the reviewer's comment."""
    chosen = {word.terms: word for word in [*subject[:8], *comment[:4]]}
    return " ".join(word.surface for word in chosen.values())


def fewer_terms(query: str) -> str:
    """Return the three longest words of `query`, or half of them when it has less than six, in their order."""
    every = query.split()
    count = 3 if len(every) >= 6 else (len(every) + 1) // 2
    longest = sorted(range(len(every)), key=lambda index: (-len(every[index]), index))[:count]
    return " ".join(every[index] for index in sorted(longest))


def _weight(word: Word, asked_of: Sequence[frozenset[str]]) -> float:
    holding = sum(held(word, terms) >= _HELD for terms in asked_of)
    return math.log(1 + (len(asked_of) + 1) / (holding + 0.5))
