"""What a text asks for: information, a search, something saved; and whether a "not" stands on it."""

import re

from offline_model.text.sentences import sentences
from offline_model.text.stop_words import ORDER_WORDS, STOP_WORDS
from offline_model.text.words import Word, key_words


def _any_of(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


INFORMATION = _any_of(
    r"\b(?:answer\w*|repl(?:y|ies)|respon[ds]\w*|explain\w*|brief\w*|advice|inform\w*|guide\w*|policy|policies)\b",
    r"\b(?:tell me|what|how|why|when|where|who|which)\b|\?",
    "설명|알려|안내|보고서|무엇|어떻게|언제|어디|왜|나요|까요",
)
"""Words of a text that wants to know something."""

ANSWERING = _any_of(
    r"\b(?:draft\w*|knowledge|documents|policies|an? (?:answer|reply|response)|answers? (?:to|for|from))\b",
    r"\b(?:answer|reply to|respond to) (?:the|this|their|his|her|it)\b",
    "답변|초안|지식|문서",
)
"""Words of an instruction that wants an answer made."""

SEARCH = _any_of(
    r"\b(?:search\w*|find\w*|look(?:ing)?[- ]?up|lookup|research\w*|investigat\w*|retriev\w*|gather|consult)\b",
    "검색|조사|찾[아으는]|리서치",
)
"""Words of an instruction that wants somebody to look."""

WORK_ON_THE_GIVEN = _any_of(
    r"\b(?:classif\w*|categori[sz]\w*|triage\w*|label\w*|priorit\w*|decid\w*|assess\w*|route|review\w*|approv\w*)\b",
    r"\b(?:extract\w*|translat\w*|summar\w+|rewrit\w*|proofread\w*)\b",
    "분류|판단|추출|번역|요약|검토",
)
"""Words of an instruction that works on the text it is given, without looking further."""

SAVING = _any_of(
    r"\b(?:sav(?:e|es|ing)|stor(?:e|es|ing)|archiv(?:e|es|ing)|record it|persist|remember)\b",
    "저장|보관|기록해|아카이브|등록해",
)
"""Words of an instruction that wants something kept."""

_ORDER = _any_of(
    r"^\W*(?:(?:please|now|then|first)\W+)*"
    r"(?:add|answer|archive|call|classify|compare|create|describe|do|draft|explain|extract|fill|find|follow|give|list|look"
    r"|make|read|reply|research|respond|return|save|say|search|show|store|summari[sz]e|tell|translate|use|write"
    r"|you (?:are|must|should))\b",
    r":$",
    r"(?:해\s?줘|주세요|십시오|시오|하라)\W*$",
)
_NEGATED_BEFORE = _any_of(
    r"(?:\b(?:not|never|cannot|unable to|without|no need to)|['’]t)(?:\s+\w+){0,2}\s*$",
)
_NEGATED_AFTER = re.compile(r"^\s?(?:하지|되지|이|을|를|도)?\s?(?:마[세시라]?|말|않|안|못|실패)")
_WINDOW_BEFORE, _WINDOW_AFTER = 40, 8


def is_asked(pattern: re.Pattern[str], text: str) -> bool:
    """Tell whether a match of `pattern` stands in `text` without a "not", "never", "cannot" ... on it."""
    return any(
        not _NEGATED_BEFORE.search(text[max(match.start() - _WINDOW_BEFORE, 0) : match.start()])
        and not _NEGATED_AFTER.search(text[match.end() : match.end() + _WINDOW_AFTER])
        for match in pattern.finditer(text)
    )


def is_order(sentence: str) -> bool:
    """Tell whether `sentence` tells the model to do something ("Summarise this:") rather than states something."""
    return _ORDER.search(sentence.strip()) is not None


def asking_words(text: str) -> list[Word]:
    """Return the key words of what somebody says to a model: of its orders only those of the subject."""
    found: dict[tuple[str, ...], Word] = {}
    for sentence in sentences(text):
        left_out = STOP_WORDS if is_question(sentence.text) else ORDER_WORDS
        for word in key_words(sentence.text, left_out):
            found.setdefault(word.terms, word)
    return list(found.values()) or key_words(text)


def without_order(sentence: str) -> str:
    """Return `sentence`, or what follows the colon of its order ("Summarise this: It rained." gives "It rained.")."""
    before, colon, after = sentence.partition(": ")
    return after if colon and is_order(before) else sentence


def is_question(sentence: str) -> bool:
    """Tell whether `sentence` ends as a question."""
    return sentence.rstrip("\"'”’) ").endswith(("?", "？"))
