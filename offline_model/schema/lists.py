"""Lists: the sources of the answer, its sentences, key words, or options, by the list's name and its items."""

from typing import Any

from offline_model.evidence.relevance import fewer_terms
from offline_model.schema.choices import likeness
from offline_model.schema.facts import Facts
from offline_model.schema.values import Field, Filled, Fills, as_object, stems

_SOURCES = stems("source citation reference evidence passage document link url 출처 근거")
_KEY_WORDS = stems("keyword tag term label topic 태그 키워드")
_SEARCHES = stems("query search question subquestion 질의 질문")
_SENTENCES = stems("step point finding fact highlight sentence detail note answer paragraph insight claim 단계 요점")
_SOURCE_FIELDS = frozenset(("documentid", "quote", "source", "url", "snippet", "excerpt", "citation"))
_PLAIN_SOURCE = {"properties": {name: {"type": "string"} for name in ("document_id", "title", "source", "quote")}}
_MOST_KEY_WORDS = 5
_DEEPEST = 6


def list_value(filler: Fills, field: Field, facts: Facts, depth: int) -> Filled:
    """Return a list for `field` within its bounds; an empty one where the text gives nothing and none is required."""
    schema = field.schema
    prefix = [as_object(part) for part in schema.get("prefixItems", [])]
    fixed = [filler.fill(Field(field.name, part), facts, depth=depth + 1).value for part in prefix]
    item = filler.resolved(as_object(schema.get("items", {})))
    values = [] if depth > _DEEPEST else _values(filler, Field(field.name, item), facts, depth)
    values = fixed + [value for value in values if filler.is_valid(item, value)]
    if schema.get("uniqueItems"):
        values = [value for place, value in enumerate(values) if value not in values[:place]]
    found = bool(values)
    while len(values) < schema.get("minItems", 0):
        values.append(
            _another(filler, Field(field.name, item), facts, depth, values if schema.get("uniqueItems") else [])
        )
    return Filled(values[: schema.get("maxItems", len(values))], found)


def is_cited(field: Field, facts: Facts) -> bool:
    """Tell whether the field lists the sources of an answer made now, so that no earlier list is copied."""
    return field.schema.get("type") == "array" and field.is_called(_SOURCES) and not facts.reading.keeps_draft


def _values(filler: Fills, item: Field, facts: Facts, depth: int) -> list[Any]:
    reading = facts.reading
    if "enum" in item.schema:
        return [option for option in item.schema["enum"] if likeness(str(option), "", facts) >= 1.0]
    if item.schema.get("type") == "object" or "properties" in item.schema:
        if not _describes_source(item):
            return []
        described = item.schema if "properties" in item.schema else {**item.schema, **_PLAIN_SOURCE}
        return [
            filler.fill(Field("", described), facts.about(source), depth=depth + 1).value for source in reading.sources
        ]
    if item.schema.get("type", "string") != "string":
        return []
    return _texts(item, facts)


def _texts(item: Field, facts: Facts) -> list[str]:
    reading = facts.reading
    if item.is_called(_SOURCES):
        return [source.passage.label for source in reading.sources]
    if item.is_called(_KEY_WORDS):
        return [word.surface.lower() for word in reading.key_words[:_MOST_KEY_WORDS]]
    if item.is_called(_SEARCHES):
        terms = reading.search_terms
        return list(dict.fromkeys(text for text in (terms, fewer_terms(terms) if terms else "") if text))
    if item.is_called(_SENTENCES):
        return [sentence for sentence, _ in reading.answer.lines]
    return []


def _describes_source(item: Field) -> bool:
    names = {name.replace("_", "").lower() for name in item.schema.get("properties", {})}
    return item.is_called(_SOURCES) or not names.isdisjoint(_SOURCE_FIELDS)


def _another(filler: Fills, item: Field, facts: Facts, depth: int, unlike: list[Any]) -> Any:
    """Return one more item where the schema wants more than the text gives, numbered if it must be `unlike` others."""
    options = [option for option in item.schema.get("enum", []) if option not in unlike]
    if options:
        return options[0]
    value = filler.fill(item, facts, depth=depth + 1).value
    number = 2
    while value in unlike and isinstance(value, str | int | float):
        value = f"{value} {number}".strip() if isinstance(value, str) else value + 1
        number += 1
    return value
