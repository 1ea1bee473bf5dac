"""Choices: which of an enum's options, or of yes and no, the text speaks for.

An option's score is: 1 when the text names it; the cues of the lexicon for its name; 0.4 for each key word (at most 3)
that the text shares with what the instruction or the schema says about the option; 0.3 times the cosine of their
embeddings, which settles ties.
"""

import re
from collections.abc import Sequence
from typing import Any

from offline_model.evidence.relevance import held, overlap
from offline_model.schema.facts import Facts
from offline_model.schema.values import Field, Filled, stems
from offline_model.text.asks import is_asked
from offline_model.text.cues import NEUTRAL_NAMES, cue_score
from offline_model.text.vectors import embed, similarity
from offline_model.text.words import key_words, term_set, words

_CLEAR = 0.35
_HINT_LENGTH = 200
_ANSWERED = stems("found answered grounded relevant sufficient supported")
_SAVED = stems("saved stored archived")
_YES = re.compile(r"^(?:yes|true|y|예|네)\b", re.IGNORECASE)


def chosen(field: Field, options: Sequence[Any], facts: Facts) -> Filled:
    """Return the option the text speaks for; when it speaks for none, the neutral one or the likeliest."""
    texts = [field.description, facts.reading.request.instruction, facts.reading.request.rules]
    scored = [likeness(str(option), hint(str(option), options, texts), facts) for option in options]
    best = max(range(len(options)), key=lambda index: (scored[index], -index))
    if scored[best] >= _CLEAR:
        return Filled(options[best], found=True)
    neutral = [option for option in options if str(option).lower() in NEUTRAL_NAMES or option is None]
    return Filled(neutral[0] if neutral else options[best], found=False)


def likeness(option: str, told: str, facts: Facts) -> float:
    """Return the score of an option called `option`, of which `told` is said, for the request."""
    text = facts.reading.asked
    spoken = option.replace("_", " ")
    terms = term_set(text)
    named = key_words(spoken)
    mention = 1.0 if named and all(held(word, terms) == 1.0 for word in named) else 0.0
    shared = 0.4 * min(overlap(told, text), 3)
    likely = 0.3 * max(similarity(embed(f"{spoken} {told}"), embed(text)), 0.0)
    return mention + cue_score(option, text) + shared + likely


def hint(option: str, options: Sequence[Any], texts: Sequence[str]) -> str:
    """Return what `texts` say about an option: from its name to the next option, or the end of the sentence."""
    others = "|".join(_spoken(str(other)) for other in options if str(other) != option)
    stop = rf"[.;\n]|$|(?<!\w)(?:{others})(?!\w)" if others else r"[.;\n]|$"
    found: list[str] = []
    for text in texts:
        for match in re.finditer(rf"(?<!\w){_spoken(option)}(?!\w)", text, re.IGNORECASE):
            end = re.compile(stop, re.IGNORECASE).search(text, match.end())
            found.append(text[match.end() : end.start() if end else None][:_HINT_LENGTH])
    return " ".join(found)


def decided(field: Field, facts: Facts) -> Filled:
    """Return yes or no for a boolean field; no, when the text does not speak of it."""
    reading = facts.reading
    if field.is_called(_SAVED):
        return Filled(reading.saved is not None, found=True)
    if field.is_called(_ANSWERED):
        return Filled(bool(reading.answer.lines), found=True)
    text = f"{reading.request.subject}\n{reading.request.comment}"
    label = re.search(rf"(?<!\w){_spoken(field.name)}\s*[:=]\s*(\w+)", text, re.IGNORECASE) if field.name else None
    if label:
        return Filled(_YES.match(label[1]) is not None, found=True)
    says_so = cue_score(field.name, text) > 0.0 or _is_said(field.name, text)
    return Filled(says_so, found=says_so)


def _is_said(name: str, text: str) -> bool:
    """Tell whether every telling word of `name` is in `text`, none with a "not" on it."""
    telling = key_words(name.replace("_", " "))
    return bool(telling) and all(
        is_asked(re.compile(rf"\b{re.escape(word.terms[0])}\w*", re.IGNORECASE), text) for word in telling
    )


def _spoken(name: str) -> str:
    """Return a pattern for `name` however its words are joined."""
    return r"[\s_-]*".join(map(re.escape, words(name.replace("_", " ")))) or re.escape(name)
