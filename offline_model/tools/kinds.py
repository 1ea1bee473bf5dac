"""What kind of tool a tool is, by the words of its name and, where the name says nothing, of its description."""

import re
from enum import Enum

from offline_model.conversation import Tool
from offline_model.text.asks import is_asked
from offline_model.text.words import stem, words


class Kind(Enum):
    """What a tool is for, as far as its words tell."""

    SEARCH = "search"
    SAVE = "save"
    PROGRESS = "progress"
    FINISH = "finish"
    OTHER = "other"


_NAME_WORDS = {
    Kind.PROGRESS: "progress heartbeat telemetry",
    Kind.SAVE: "save store archive persist record remember 저장 보관",
    Kind.SEARCH: "search find look lookup query retrieve recall 검색 조회",
    Kind.FINISH: "finish final done submit complete",
}
_OTHER_VERBS = "read get open fetch load list delete remove update create send ask delegate run write call"
_STEMS = {kind: frozenset(map(stem, names.split())) for kind, names in _NAME_WORDS.items()}
_OTHER_STEMS = frozenset(map(stem, _OTHER_VERBS.split()))
_EMPTY_NAME_WORDS = frozenset(("mcp", "tool", "the", "a"))
_EMPTY_VERBS = frozenset(("get", "run", "do"))
_WORDS_BETWEEN = 3
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def name_words(name: str) -> list[str]:
    """Return the words of a tool's name in order, lower-cased, without numbers and words that tell nothing."""
    parts = words(_CAMEL.sub(" ", name).replace("_", " "))
    return [part for part in parts if not part.isdigit() and part not in _EMPTY_NAME_WORDS]


def kind_of(tool: Tool) -> Kind:
    """Return the kind of `tool`: its name decides; the first words of its description only when the name is silent."""
    named = _kind_by(name_words(tool.name))
    if named is not None:
        return named
    return _kind_by(words(tool.description)[:6]) or Kind.OTHER


def kind_of_name(name: str) -> Kind:
    """Return the kind of the tool called `name` when nothing else of it is known."""
    return _kind_by(name_words(name)) or Kind.OTHER


def is_named(tool: Tool, text: str) -> bool:
    """Tell whether `text` asks for `tool` by its name ("search_documents", "search documents"), not forbids it."""
    spoken = [name_words(tool.name), words(tool.name.replace("_", " "))]
    forms = [re.escape(tool.name), *(r"[\s_-]+".join(map(re.escape, parts)) for parts in spoken if len(parts) > 1)]
    return is_asked(re.compile(rf"(?<![\w-])(?:{'|'.join(forms)})(?![\w-])", re.IGNORECASE), text)


def is_meant(tool: Tool, text: str) -> bool:
    """Tell whether the telling words of the tool's name follow each other in `text`: `Read the whole document`."""
    telling = [re.escape(stem(word)) for word in name_words(tool.name) if word not in _EMPTY_VERBS]
    spoken = " ".join(stem(word) for word in words(text))
    between = rf"(?: \S+){{0,{_WORDS_BETWEEN}}} "
    return bool(telling) and re.search(rf"(?:^| ){between.join(telling)}(?: |$)", spoken) is not None


def _kind_by(spoken: list[str]) -> Kind | None:
    stems = [stem(word) for word in spoken]
    for found in stems:
        for kind, names in _STEMS.items():
            if found in names:
                return kind
        if found in _OTHER_STEMS:
            return Kind.OTHER
    return None
