"""The documents that tools returned in this run. A source that is not among them was invented."""

import re
from typing import Any

TOOLS_THAT_RETURN_DOCUMENTS = ("search_documents", "read_document")
CITATION = re.compile(r"( ?)\[(\d+)\]")


class Ledger:
    """Remembers document ids and titles, and holds the sources of an output against them."""

    def __init__(self) -> None:
        self._titles: dict[str, str] = {}

    def __bool__(self) -> bool:
        """Say whether any document was returned."""
        return bool(self._titles)

    def note(self, tool: str, result: dict[str, Any] | None) -> None:
        """Remember the documents in a tool's structured result."""
        if tool not in TOOLS_THAT_RETURN_DOCUMENTS or result is None:
            return
        for document in result.get("results", [result]):
            if isinstance(document, dict) and "document_id" in document:
                document_id = str(document["document_id"])
                self._titles[document_id] = document.get("title") or self._titles.get(document_id, "")

    def check(self, output: dict[str, Any], *, with_titles: bool) -> tuple[dict[str, Any], list[str]]:
        """Drop the sources no tool returned, and give the others the titles the tools gave.

        A source is a document id, or an object with a `document_id`; an address (with `://`) or an object without
        an id names no document, so it stays. Citations [n] in the texts follow their sources to the new numbers.

        Args:
            output: the model's output; left as it is.
            with_titles: whether an object without a title gets one.

        Returns:
            The output to use, and the ids that were dropped.
        """
        sources = output.get("sources")
        if not isinstance(sources, list):
            return output, []
        kept, dropped, numbers = [], [], {}
        for number, source in enumerate(sources, start=1):
            document_id = _document_id(source)
            if document_id is not None and document_id not in self._titles:
                dropped.append(document_id)
                numbers[number] = None
            else:
                kept.append(self._titled(source, with_titles))
                numbers[number] = len(kept)
        rest = {name: value for name, value in output.items() if name != "sources"}
        return {**_renumbered(rest, numbers), "sources": kept}, dropped

    def _titled(self, source: Any, with_titles: bool) -> Any:
        title = self._titles.get(_document_id(source) or "")
        if title and isinstance(source, dict) and (with_titles or "title" in source):
            return {**source, "title": title}
        return source


def cites(value: Any) -> bool:
    """Say whether any text in `value` holds a citation like [1]."""
    if isinstance(value, str):
        return bool(CITATION.search(value))
    if isinstance(value, dict):
        return any(map(cites, value.values()))
    return isinstance(value, list) and any(map(cites, value))


def _document_id(source: Any) -> str | None:
    if isinstance(source, dict) and "document_id" in source:
        return str(source["document_id"])
    return source if isinstance(source, str) and "://" not in source else None


def _renumbered(value: Any, numbers: dict[int, int | None]) -> Any:
    """Return `value` with each [n] in its texts replaced by [numbers[n]], or removed where that is None."""
    if isinstance(value, str):
        return CITATION.sub(lambda found: _new_citation(found, numbers), value)
    if isinstance(value, dict):
        return {name: _renumbered(inner, numbers) for name, inner in value.items()}
    if isinstance(value, list):
        return [_renumbered(inner, numbers) for inner in value]
    return value


def _new_citation(found: re.Match[str], numbers: dict[int, int | None]) -> str:
    number = numbers.get(int(found[2]), int(found[2]))
    return "" if number is None else f"{found[1]}[{number}]"
