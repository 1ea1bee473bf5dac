"""The cue lexicon: general words that show what kind of text this is, in English and Korean.

Each entry has the names an option may carry (in a schema's enum, or a field's name) and the cues that speak for it in
a text. It is general on purpose: nothing here knows any one process. A cue counts 1, each further one 0.25 more.
"""

import re
from dataclasses import dataclass

from offline_model.text.words import stem, words


@dataclass(frozen=True)
class Cue:
    """What speaks for an option: `names` (space-separated) it may have, `patterns` of cues, and how much they weigh."""

    names: str
    patterns: tuple[str, ...]
    weight: float = 1.0


LEXICON = (
    Cue(
        "problem incident issue bug error failure fault defect complaint outage trouble 문제 장애 오류 불만",
        (
            r"\berrors?\b|\bfail\w*|\bbroken?\b|\bbreaks?\b|\bcrash\w*|\bstuck\b|\blost\b|\bwrong\b|\bbugs?\b|\bdown\b",
            r"\bcan ?not\b|\bcan['’]?t\b|\bunable\b|\bwon['’]?t\b|\bdo(?:es)?(?:n['’]?t| not) work|\bnot working\b",
            r"\bmissing\b|\bfreez\w+|\bfrozen\b|\bproblems?\b|\boutage\b|\bnever arrived\b|\bdamaged\b|\bstopped\b",
            r"오류|에러|문제|장애|고장|실패|멈[춰췄추]|분실|잃어|깨[져졌지]|끊[겨겼기김]|먹통|느려",
            r"안\s?(?:돼|되|됩|됨|열|나와|보여)|(?:할|될|을)\s?수\s?없|않[아습는]|못\s?(?:하|해|했|합)",
        ),
        weight=1.5,
    ),
    Cue(
        "question inquiry enquiry information info query howto 질문 문의",
        (
            r"[?？]|(?:^|[.!]\s+)(?:how|what|when|where|who|why|which|can|could|may|is|are|does|do|should)\b",
            r"\bhow (?:do|can|to|much|many|long)\b|\bwhat (?:is|are)\b|\bwondering\b|\blike to know\b|\bexplain\b",
            r"어떻게|무엇|언제|어디|얼마|왜|궁금|알려|[나까가]요\s*(?:[?.]|$)",
        ),
    ),
    Cue(
        "request change order task action 요청",
        (
            r"\bplease\b|\bwould like\b|\b(?:i|we) (?:need|want)\b|\bcould you\b",
            r"해\s?주세요|부탁|원합니다|신청",
        ),
        weight=0.5,
    ),
    Cue(
        "high urgent critical severe p1 긴급 높음",
        (
            r"\burgent\w*|\basap\b|\bimmediate\w*|\bcritical\b|\bemergency\b|\boutage\b|\bdown\b|\bblocked\b",
            r"\bevery(?:one|body)\b|\ball (?:users|customers)\b|\bright (?:now|away)\b|\bsecurity\b|\bdata loss\b",
            r"긴급|급해|급합|시급|즉시|당장|전체 장애|모든 사용자",
        ),
    ),
    Cue(
        "low minor trivial p4 낮음",
        (r"\bno (?:rush|hurry)\b|\bminor\b|\bwhenever\b|\bsmall\b|천천히|사소|급하지",),
    ),
    Cue(
        "positive happy satisfied 긍정",
        (
            r"\bthank\w*|\bgreat\b|\blove\b|\bexcellent\b|\bhappy\b|\bperfect\b|\bgood\b",
            r"감사|좋[아은습]|훌륭|만족",
        ),
    ),
    Cue(
        "negative angry unhappy dissatisfied 부정",
        (
            r"\bangry\b|\bdisappoint\w*|\bterribl\w*|\bbad\b|\bworst\b|\bunacceptable\b|\bfrustrat\w*",
            r"실망|화가|최악|불만|짜증",
        ),
    ),
    Cue(
        "approve approved accept accepted yes 승인",
        (r"\bapprov\w*|\baccept\w*|\blooks good\b|\blgtm\b|\bagree\w*|승인|동의|좋습니다",),
    ),
    Cue(
        "reject rejected decline declined refuse no 반려 거절",
        (
            r"\breject\w*|\bdeclin\w*|\brefus\w*|\bnot (?:approved|acceptable|correct)\b|\bincorrect\b",
            r"반려|거절|거부",
        ),
        weight=1.5,
    ),
)

_NEUTRAL = "neutral medium normal other general unknown none mixed 기타 보통 중립 중간"
NEUTRAL_NAMES = frozenset(_NEUTRAL.split())
"""Names of options that are right when the text speaks for none."""

_COMPILED = tuple(
    (frozenset(map(stem, cue.names.split())), re.compile("|".join(cue.patterns), re.IGNORECASE), cue.weight)
    for cue in LEXICON
)


def cue_score(name: str, text: str) -> float:
    """Return how strongly the cues of the option called `name` speak in `text`: 0 for none or no such option."""
    stems = {stem(word) for word in words(name.replace("_", " "))}
    scores = [
        weight * (1.0 + 0.25 * (len(cues) - 1))
        for names, pattern, weight in _COMPILED
        if names & stems and (cues := {match.group().lower() for match in pattern.finditer(text)})
    ]
    return max(scores, default=0.0)
