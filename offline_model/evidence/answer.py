"""The extractive answer: the sentences that meet the request best, each with the number of its source."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from offline_model.evidence.passages import Passage
from offline_model.evidence.relevance import Query
from offline_model.text.sentences import Sentence, sentences
from offline_model.text.words import term_set

_MOST, _LEAST = 5, 2
_WORTH = 0.45
_SAME = 0.8
_HEADING, _NEIGHBOUR, _FIRST = 0.25, 0.3, 0.08


@dataclass(frozen=True)
class Source:
    """A document the answer uses: its number in the answer (from 1), its best passage and the best sentence of it."""

    number: int
    passage: Passage
    quote: str


@dataclass(frozen=True)
class Answer:
    """Sentences with the numbers of their sources, in reading order; empty when nothing was found.

    `best` is the sentence that meets the request best; `confidence` its share of the request's words, from 0 to 1.
    """

    lines: tuple[tuple[str, int], ...] = ()
    sources: tuple[Source, ...] = ()
    best: str = ""
    confidence: float = 0.0

    def text(self) -> str:
        """Return the sentences, each followed by its marker: `It is so. [1] And so. [2]`."""
        return " ".join(f"{sentence} [{number}]" for sentence, number in self.lines)

    def source_line(self) -> str:
        """Return the line that names the sources: `Sources: [1] Title (source); [2] ...` ("" without sources)."""
        named = "; ".join(f"[{source.number}] {source.passage.label}" for source in self.sources)
        return f"Sources: {named}" if named else ""


@dataclass(frozen=True)
class _Candidate:
    sentence: Sentence
    passage: int
    terms: frozenset[str]
    score: float


def answer_from(passages: Sequence[Passage], query_text: str, must_meet: bool = True) -> Answer:
    """Return the answer to `query_text` from `passages` (best first, as a search gives them).

    With `must_meet`, passages that hold too little of the query are left out, so that the answer may be empty;
    without, the passages are the user's own text, which is about its own subject whatever words it uses.
    """
    candidates = _scored(passages, query_text, must_meet)
    chosen = _chosen(candidates, must_meet)
    if not chosen:
        return Answer()
    best = max(chosen, key=lambda one: one.score)
    order = _documents_by_score(chosen, passages)
    reading = sorted(
        chosen, key=lambda one: (order.index(passages[one.passage].key), one.passage, one.sentence.position)
    )
    number = {key: place + 1 for place, key in enumerate(order)}
    lines = tuple((one.sentence.text, number[passages[one.passage].key]) for one in reading)
    sources = tuple(_source(number[key], key, chosen, passages) for key in order)
    return Answer(lines, sources, best.sentence.text, round(min(best.score, 1.0), 2))


def is_about(passages: Sequence[Passage], query_text: str) -> bool:
    """Tell whether any of `passages` holds enough of the query's words."""
    return bool(answer_from(passages, query_text).lines)


def _scored(passages: Sequence[Passage], query_text: str, must_meet: bool) -> list[_Candidate]:
    split = [(place, sentence) for place, passage in enumerate(passages) for sentence in sentences(passage.text)]
    terms = [term_set(sentence.text) for _, sentence in split]
    context = [term_set(f"{passages[place].title} {sentence.heading}") for place, sentence in split]
    query = Query(query_text, terms)
    met = {
        place
        for place, passage in enumerate(passages)
        if not must_meet or query.is_met(term_set(f"{passage.title} {passage.text}"))
    }
    shares = [
        query.share(own) + _HEADING * query.share(around - own) for own, around in zip(terms, context, strict=True)
    ]
    scored = []
    for index, (place, sentence) in enumerate(split):
        if place not in met or sentence.text.endswith(("?", "？")):
            continue
        follows = index > 0 and split[index - 1][0] == place and split[index - 1][1].heading == sentence.heading
        score = shares[index] + (_NEIGHBOUR * shares[index - 1] if follows else 0.0)
        if score or not must_meet:
            score += _FIRST / (1 + sentence.position) / (1 + place)
            scored.append(_Candidate(sentence, place, terms[index], score))
    return scored


def _chosen(candidates: list[_Candidate], must_meet: bool) -> list[_Candidate]:
    """Return up to five candidates, the best first, none said twice; two where there are two."""
    ranked = sorted(candidates, key=lambda one: (-one.score, one.passage, one.sentence.position))
    chosen: list[_Candidate] = []
    for one in ranked:
        if len(chosen) == _MOST or (len(chosen) >= _LEAST and one.score < _WORTH * chosen[0].score and must_meet):
            break
        if not any(_is_same(one, other) for other in chosen):
            chosen.append(one)
    return chosen


def _is_same(one: _Candidate, other: _Candidate) -> bool:
    every = one.terms | other.terms
    return one.sentence.text == other.sentence.text or (
        bool(every) and len(one.terms & other.terms) / len(every) >= _SAME
    )


def _documents_by_score(chosen: list[_Candidate], passages: Sequence[Passage]) -> list[str]:
    by_key = sorted(chosen, key=lambda one: passages[one.passage].key)
    groups = groupby(by_key, key=lambda one: passages[one.passage].key)
    best = {key: max((one.score, -one.passage) for one in group) for key, group in groups}
    return sorted(best, key=lambda key: best[key], reverse=True)


def _source(number: int, key: str, chosen: list[_Candidate], passages: Sequence[Passage]) -> Source:
    best = max((one for one in chosen if passages[one.passage].key == key), key=lambda one: one.score)
    return Source(number, passages[best.passage], best.sentence.text)
