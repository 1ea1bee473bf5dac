"""Text for a string field: by the job its name tells (answer, summary, title ...), its format, or a label in the text.

Where the text gives nothing and a value is required, it is the empty string, or for a format the plainest value that
says nothing (1970-01-01, unknown@example.invalid ...): never an invented one.
"""

import re
from collections.abc import Callable

from offline_model.schema.facts import Facts
from offline_model.schema.patterns import sample
from offline_model.schema.values import Field, Filled, stems
from offline_model.text.sentences import shortened

_TITLE_LENGTH, _SUMMARY_LENGTH = 80, 160
_WRITTEN = ("quote", "summary", "answer", "reason")
_ROLES = {
    "comment": stems("comment feedback 의견"),
    "quote": stems("quote excerpt evidence snippet passage"),
    "summary": stems("summary gist abstract overview headline brief tldr 요약"),
    "title": stems("title subject heading topic 제목"),
    "source": stems("source url link reference citation 출처"),
    "question": stems("question query request 질문 요청"),
    "reason": stems("reason rationale justification why 이유"),
    "answer": stems(
        "answer content body text response reply draft message result report output finding explanation conclusion "
        "답변 내용 본문 초안"
    ),
}
_FORMATS = {
    "email": (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "unknown@example.invalid"),
    "uri": (r"https?://[^\s<>\"')\]]*[^\s<>\"')\].,;]", "about:blank"),
    "date-time": (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", "1970-01-01T00:00:00Z"),
    "date": (r"\b\d{4}-\d\d-\d\d\b", "1970-01-01"),
    "time": (r"\b\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)", "00:00:00Z"),
    "uuid": (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "00000000-0000-0000-0000-000000000000"),
    "duration": (r"\bP(?=[\dT])(?:\d+[YMWD])*(?:T(?:\d+[HMS])+)?\b", "PT0S"),
    "ipv4": (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "0.0.0.0"),  # noqa: S104
    "hostname": (r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b", "unknown.invalid"),
}
_NAMED_FORMATS = {
    "email": "email",
    "url": "uri",
    "uri": "uri",
    "link": "uri",
    "dat": "date",
    "deadlin": "date",
    "uuid": "uuid",
}
_PHONE = re.compile(r"(?<![\w-])\+?\d[\d ()-]{6,}\d(?![\w-])")


def string_value(field: Field, facts: Facts) -> Filled:
    """Return text for `field` that meets its format, pattern and lengths where the text allows."""
    by_format = _by_format(field, facts)
    if by_format is not None:
        return by_format
    role = role_of(field)
    filled = _BY_ROLE[role](facts) if role else _labelled(field, facts)
    return _fitted(field, filled, facts)


def role_of(field: Field) -> str:
    """Return the job the field's name tells ("" when it tells none; an id has none); a nameless text is the answer."""
    if not field.name:
        return "answer"
    if not field.stems or field.stems[-1] in ("id", "key", "number"):
        return ""
    return next((role for role, names in _ROLES.items() if field.is_called(names)), "")


def is_written(field: Field, facts: Facts) -> bool:
    """Tell whether the field holds what the model itself words, so that no value of that name is copied."""
    if field.schema.get("type", "string") != "string" or facts.source or "enum" in field.schema:
        return False
    return role_of(field) in _WRITTEN


def _answer(facts: Facts) -> Filled:
    reading = facts.reading
    if facts.source:
        return Filled(facts.source.passage.text, found=True)
    has_answer = bool(reading.answer.lines) or reading.keeps_draft
    return Filled(facts.answer_text(with_sources=True), found=has_answer or not facts.calling)


def _quote(facts: Facts) -> Filled:
    quote = facts.source.quote if facts.source else facts.reading.answer.best
    return Filled(quote, found=bool(quote))


def _summary(facts: Facts) -> Filled:
    reading = facts.reading
    best = facts.source.quote if facts.source else reading.answer.best
    if not reading.turn_uses or not best:
        best = reading.first_statement
    return Filled(shortened(best, _SUMMARY_LENGTH), found=bool(best))


def _title(facts: Facts) -> Filled:
    title = facts.source.passage.title if facts.source else facts.reading.first_statement
    return Filled(shortened(title, _TITLE_LENGTH), found=bool(title))


def _source(facts: Facts) -> Filled:
    label = (
        facts.source.passage.source if facts.source else facts.reading.answer.source_line().removeprefix("Sources: ")
    )
    return Filled(label, found=bool(label))


def _question(facts: Facts) -> Filled:
    return Filled(facts.reading.request.subject, found=bool(facts.reading.request.subject))


def _comment(facts: Facts) -> Filled:
    return Filled(facts.reading.request.comment, found=bool(facts.reading.request.comment))


_BY_ROLE: dict[str, Callable[[Facts], Filled]] = {
    "comment": _comment,
    "quote": _quote,
    "summary": _summary,
    "title": _title,
    "source": _source,
    "question": _question,
    "reason": _summary,
    "answer": _answer,
}


def _by_format(field: Field, facts: Facts) -> Filled | None:
    """Return the first text of the field's format (None: the field has no format known here)."""
    named = next((form for name, form in _NAMED_FORMATS.items() if name in field.stems), "")
    form = str(field.schema.get("format", "")) or named
    if "phon" in field.stems:
        phone = _PHONE.search(_everything(facts))
        return _fitted(field, Filled(phone.group() if phone else "", found=phone is not None), facts)
    if form not in _FORMATS:
        return None
    pattern, plainest = _FORMATS[form]
    match = re.search(pattern, _everything(facts))
    if match:
        return _fitted(field, Filled(match.group(), found=True), facts)
    return _fitted(field, Filled(plainest, found=False), facts) if "format" in field.schema else None


def _labelled(field: Field, facts: Facts) -> Filled:
    """Return what stands after the field's name in the text (`Order number: 4711`), else what a call is about."""
    spoken = r"[\s_-]*".join(re.escape(word) for word in re.split(r"[\W_]+", field.name) if word)
    if spoken:
        label = rf"(?<!\w){spoken}\s*(?::|=|\bis\b)\s*[\"']?(?P<value>[^\n,;\"']+?)[\"']?\s*(?:[,;\n]|[.!?](?:\s|$)|$)"
        match = re.search(label, _everything(facts), re.IGNORECASE)
        if match:
            return Filled(match["value"].strip(), found=True)
    return Filled(facts.topic, found=bool(facts.topic))


def _everything(facts: Facts) -> str:
    """Return the text values are looked for in: the source in hand, or the request and the answer's sentences."""
    if facts.source:
        return facts.source.passage.text
    request = facts.reading.request
    sentences = [sentence for sentence, _ in facts.reading.answer.lines]
    return "\n".join([request.subject, request.comment, request.instruction, *sentences])


def _fitted(field: Field, filled: Filled, facts: Facts) -> Filled:
    """Return the value made to meet the field's pattern and lengths: searched for, cut, or padded with dots."""
    schema, value = field.schema, filled.value
    pattern = schema.get("pattern")
    if pattern and not re.search(pattern, value):
        inside = pattern.removeprefix("^") if pattern.endswith(r"\$") else pattern.removeprefix("^").removesuffix("$")
        match = re.search(inside, _everything(facts))
        if match and re.search(pattern, match.group()):
            value, filled = match.group(), Filled(match.group(), found=True)
        else:
            value, filled = sample(pattern), Filled("", found=False)
    if len(value) > schema.get("maxLength", len(value)):
        value = shortened(value, schema["maxLength"])
    return Filled(value.ljust(schema.get("minLength", 0), "."), filled.found)
