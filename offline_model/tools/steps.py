"""The next tool call of a conversation: search first, then what the instruction names, then save.

No call is made twice with equal arguments, a conversation has at most six, and a tool that reports progress or asks,
sends or runs something is called only when the instruction names it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from offline_model.conversation import Tool
from offline_model.evidence.reading import Reading
from offline_model.evidence.relevance import fewer_terms
from offline_model.schema.facts import Facts
from offline_model.text.asks import ANSWERING, INFORMATION, SAVING, SEARCH, WORK_ON_THE_GIVEN, is_asked
from offline_model.text.words import is_syllabic, stem, words
from offline_model.tools.arguments import arguments_for, query_parameter
from offline_model.tools.kinds import Kind, is_meant, is_named, kind_of

MOST_CALLS = 6


@dataclass(frozen=True)
class Call:
    """A call to make: the tool's name and its arguments, valid against its schema."""

    name: str
    arguments: Mapping[str, Any]


def next_call(reading: Reading) -> Call | None:
    """Return the next call to make, or None when it is time to answer.

    Under `tool_choice` "required" (or a named tool) some tool is called, even with arguments the text does not give;
    but not a second time with equal arguments: then the model answers.
    """
    tools = reading.conversation.allowed_tools()
    if not tools or len(reading.uses) >= MOST_CALLS:
        return None
    made = [(use.name, dict(use.arguments)) for use in reading.uses]
    wanted = _wanted(reading, tools)
    if reading.conversation.tool_choice.mode == "required":
        wanted = chain(wanted, _any(reading, tools))
    return next((call for call in wanted if (call.name, dict(call.arguments)) not in made), None)


def _wanted(reading: Reading, tools: list[Tool]) -> Iterator[Call]:
    yield from _searches(reading, [tool for tool in tools if kind_of(tool) is Kind.SEARCH and query_parameter(tool)])
    yield from _named(reading, [tool for tool in tools if kind_of(tool) is Kind.OTHER])
    yield from _saves(reading, [tool for tool in tools if kind_of(tool) is Kind.SAVE])
    yield from _named(reading, [tool for tool in tools if kind_of(tool) is Kind.FINISH])


def _searches(reading: Reading, tools: list[Tool]) -> Iterator[Call]:
    """Search with the subject's key words; when that gave nothing, once more with fewer; then try the next tool."""
    wanted = _asks_for_information(reading)
    query = reading.search_terms
    if not query:
        return
    for tool in _fittest(reading, tools):
        named = is_named(tool, reading.request.instruction)
        made = sum(use.name == tool.name for use in reading.turn_uses)
        if made == 0 and (named or (wanted and not reading.has_found)):
            yield _search(reading, tool, query)
        elif made == 1 and not reading.has_found:
            yield _search(reading, tool, fewer_terms(query))


def _search(reading: Reading, tool: Tool, query: str) -> Call:
    given = {query_parameter(tool): query}
    return Call(tool.name, arguments_for(tool, Facts.for_call(reading), given).value)


def _named(reading: Reading, tools: list[Tool]) -> Iterator[Call]:
    """Call the tools the instruction means, once each, where the text gives every argument they need."""
    for tool in tools:
        meant = is_named(tool, reading.request.instruction) or is_meant(tool, reading.request.instruction)
        if meant and not any(use.name == tool.name for use in reading.turn_uses):
            arguments = arguments_for(tool, Facts.for_call(reading))
            if arguments.found:
                yield Call(tool.name, arguments.value)


def _saves(reading: Reading, tools: list[Tool]) -> Iterator[Call]:
    """Save once when the instruction asks for it and there is something to save."""
    asked = is_asked(SAVING, reading.request.instruction)
    has_content = bool(reading.draft or reading.answer.lines)
    if any(use.name == tool.name for use in reading.turn_uses for tool in tools) or not has_content:
        return
    for tool in _fittest(reading, tools):
        if asked or is_named(tool, reading.request.instruction):
            yield Call(tool.name, arguments_for(tool, Facts.for_call(reading)).value)


def _any(reading: Reading, tools: list[Tool]) -> Iterator[Call]:
    """Offer every tool: the one that finishes first, then the fittest, with placeholders where the text is silent."""
    for tool in sorted(_fittest(reading, tools), key=lambda tool: kind_of(tool) is not Kind.FINISH):
        is_search = kind_of(tool) is Kind.SEARCH and query_parameter(tool)
        query = reading.search_terms
        given = {query_parameter(tool): query} if is_search and query else {}
        yield Call(tool.name, arguments_for(tool, Facts.for_call(reading), given).value)


def _asks_for_information(reading: Reading) -> bool:
    """Tell whether the instruction wants something looked for, or known that the inputs do not answer already."""
    request = reading.request
    if is_asked(SEARCH, request.instruction):
        return True
    if reading.draft and not request.comment:
        return False
    if is_asked(ANSWERING, request.instruction):
        return True
    if is_asked(WORK_ON_THE_GIVEN, request.instruction):
        return False
    return is_asked(INFORMATION, f"{request.instruction}\n{request.subject}")


def _fittest(reading: Reading, tools: list[Tool]) -> list[Tool]:
    """Return `tools`: named ones first, then by the words they share with the instruction, then as offered."""
    request = reading.request
    asked = _telling_stems(request.instruction)

    def fit(tool: Tool) -> tuple[bool, bool, int]:
        shared = asked & _telling_stems(f"{tool.name.replace('_', ' ')} {tool.description}")
        return not is_named(tool, request.instruction), not is_named(tool, request.rules), -len(shared)

    return sorted(tools, key=fit)


def _telling_stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words(text) if len(word) > 3 or is_syllabic(word))
