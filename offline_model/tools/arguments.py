"""The arguments of a tool call, filled from the conversation by the tool's JSON schema."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from offline_model.conversation import Tool
from offline_model.evidence.request import same_name
from offline_model.schema.facts import Facts
from offline_model.schema.fill import fill
from offline_model.schema.values import Filled
from offline_model.text.words import Word, key_words

_QUERY_NAMES = (
    "query",
    "q",
    "searchquery",
    "search",
    "question",
    "keywords",
    "terms",
    "text",
    "topic",
    "input",
    "prompt",
)


def arguments_for(tool: Tool, facts: Facts, given: Mapping[str, Any] | None = None) -> Filled:
    """Return the arguments of `tool` from `facts`, with the `given` ones as they are.

    `found` tells whether every required argument was in the text. Optional arguments the text does not give are
    left out. Raises `SchemaUnmet` when the tool's schema cannot be met.
    """
    schema = {"type": "object", **tool.parameters}
    facts = replace(facts, topic=_topic(tool, facts.reading.subject_words))
    return fill(schema, facts, given or {}, field=f"tools.{tool.name}.parameters")


def query_parameter(tool: Tool) -> str:
    """Return the name of the text parameter that takes a search query ("" when the tool has none)."""
    properties = tool.parameters.get("properties", {})
    texts = [name for name, schema in properties.items() if _takes_text(schema)]
    named = {same_name(name): name for name in texts}
    for name in _QUERY_NAMES:
        if name in named:
            return named[name]
    required = [name for name in texts if name in tool.parameters.get("required", [])]
    return required[0] if required else ""


def _topic(tool: Tool, subject: Sequence[Word]) -> str:
    """Return what a call of a tool with one required argument is about: the names in the subject, else its other words.

    With more arguments nobody could tell which of them these words are.
    """
    if len(tool.parameters.get("required", [])) != 1:
        return ""
    own = {term for word in key_words(f"{tool.name.replace('_', ' ')} {tool.description}") for term in word.terms}
    rest = [word.surface for word in subject if own.isdisjoint(word.terms)]
    names = [word for word in rest if word[:1].isupper()]
    return " ".join((names or rest)[:4])


def _takes_text(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    types = schema.get("type")
    options = schema.get("anyOf", schema.get("oneOf", []))
    plain = types == "string" or (isinstance(types, list) and "string" in types)
    return (plain and "enum" not in schema) or any(map(_takes_text, options))
