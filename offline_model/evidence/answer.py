"""The extractive answer: the sentences that meet the request best, each with the number of its source."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from offline_model.evidence.passages import Passage
from offline_model.evidence.relevance import Query
from offline_model.text.asks import is_question
from offline_model.text.sentences import Sentence, sentences
from offline_model.text.words import Word, term_set

_MOST, _LEAST = 5, 2
_WORTH = 0.55
_SAME = 0.8
_USUAL_TERMS = 30
_HEADING, _NEIGHBOUR, _ANNOUNCED, _PASSAGE, _FIRST = 0.25, 0.3, 0.6, 0.3, 0.08
NOTHING_FOUND_STARTS = ("I am an offline extractive model;", "저는 오프라인 추출 모델입니다.")
"""How the sentence begins that says nothing was found, in English and Korean; it is never evidence."""


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


def answer_from(passages: Sequence[Passage], asked: Sequence[Word], must_meet: bool = True) -> Answer:
    """Return the answer to what is `asked` from `passages` (best first, as a search gives them).

    With `must_meet`, passages that hold too little of the query are left out, so that the answer may be empty;
    without, the passages are the user's own text, which is about its own subject whatever words it uses.
    """
    candidates = _scored(passages, asked, must_meet)
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


def is_about(passages: Sequence[Passage], asked: Sequence[Word]) -> bool:
    """Tell whether any of `passages` holds enough of what is `asked`."""
    return bool(answer_from(passages, asked).lines)


def _scored(passages: Sequence[Passage], asked: Sequence[Word], must_meet: bool) -> list[_Candidate]:
    """Return each sentence that may be said with its score.

    The score is the share of the query's words the sentence holds, and with less weight what its heading and title
    add, the sentence before it, the announcement of its list, its whole passage, and how early it stands.
    """
    split = [(place, sentences(passage.text)) for place, passage in enumerate(passages)]
    terms = {(place, one.position): term_set(one.text) for place, group in split for one in group}
    query = Query(asked, list(terms.values()))
    return [
        candidate
        for place, group in split
        for candidate in _scored_in(passages[place], place, group, query, terms, must_meet)
    ]


def _scored_in(
    passage: Passage,
    place: int,
    group: list[Sentence],
    query: Query,
    terms: Mapping[tuple[int, int], frozenset[str]],
    must_meet: bool,
) -> Iterator[_Candidate]:
    whole = term_set(f"{passage.title} {passage.text}")
    if must_meet and not query.is_met(whole):
        return
    shares: list[float] = []
    for one in group:
        own = terms[place, one.position]
        around = term_set(f"{passage.title} {one.heading}") - own
        shares.append(query.share(own) * _brevity(own) + _HEADING * query.share(around))
    for one in group:
        if is_question(one.text) or one.text.startswith(NOTHING_FOUND_STARTS):
            continue
        near = shares[one.position - 1] if one.position and group[one.position - 1].heading == one.heading else 0.0
        announced = 0.0 if one.introduced_by is None else shares[one.introduced_by]
        score = shares[one.position] + max(_NEIGHBOUR * near, _ANNOUNCED * announced)
        if score or not must_meet:
            score += _PASSAGE * query.share(whole) + _FIRST / (1 + one.position) / (1 + place)
            yield _Candidate(one, place, terms[place, one.position], score)


def _brevity(terms: frozenset[str]) -> float:
    """Return 1 for a sentence of usual length, less the longer it is: long ones hold many words of any query."""
    return min(1.0, _USUAL_TERMS / max(len(terms), 1)) ** 0.5


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
