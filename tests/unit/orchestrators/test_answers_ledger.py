"""Sources held against the documents which tools returned."""

from typing import Any

import pytest

from orchestrators.answers.ledger import Ledger, cites


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.note("search_documents", {"results": [{"document_id": "a", "title": "A"}, {"document_id": "b"}]})
    ledger.note("read_document", {"document_id": "c", "title": "C", "text": "", "total_chars": 0})
    return ledger


def checked(ledger: Ledger, output: dict[str, Any], *, with_titles: bool = True) -> tuple[dict[str, Any], list[str]]:
    return ledger.check(output, with_titles=with_titles)


def test_only_tools_that_return_documents_count(ledger: Ledger) -> None:
    ledger.note("save_document", {"document_id": "own", "title": "Own"})
    ledger.note("search_documents", None)
    ledger.note("search_documents", {"results": ["text", {"title": "without id"}]})
    assert checked(ledger, {"sources": ["own", "a"]}) == ({"sources": ["a"]}, ["own"])


def test_a_ledger_is_true_when_it_holds_a_document(ledger: Ledger) -> None:
    assert ledger
    assert not Ledger()


def test_a_document_keeps_its_title_when_a_later_result_has_none(ledger: Ledger) -> None:
    ledger.note("read_document", {"document_id": "a"})
    output, _ = checked(ledger, {"sources": [{"document_id": "a"}]})
    assert output["sources"] == [{"document_id": "a", "title": "A"}]


def test_a_title_is_filled_in_only_where_the_schema_has_one(ledger: Ledger) -> None:
    sources = [{"document_id": "a"}, {"document_id": "c", "title": "guessed"}]
    output, _ = checked(ledger, {"sources": sources}, with_titles=False)
    assert output["sources"] == [{"document_id": "a"}, {"document_id": "c", "title": "C"}]


def test_a_document_without_a_title_keeps_the_models(ledger: Ledger) -> None:
    sources = [{"document_id": "b", "title": "the model's"}]
    assert checked(ledger, {"sources": sources}) == ({"sources": sources}, [])


def test_addresses_and_objects_without_an_id_name_no_document(ledger: Ledger) -> None:
    sources = ["https://example.org/a", {"url": "https://example.org"}, 7]
    assert checked(ledger, {"sources": sources}) == ({"sources": sources}, [])


def test_an_output_without_a_list_of_sources_is_left_as_it_is(ledger: Ledger) -> None:
    for output in ({"text": "[1]"}, {"sources": "a, b"}, {"sources": None}):
        assert checked(ledger, output) == (output, [])


def test_citations_follow_their_sources_and_lose_those_dropped(ledger: Ledger) -> None:
    output = {"text": "x [1] y [2][3] z [9]", "parts": [{"note": "[3]"}, 4], "sources": ["a", "gone", "c"]}
    assert checked(ledger, output) == (
        {"text": "x [1] y[2] z [9]", "parts": [{"note": "[2]"}, 4], "sources": ["a", "c"]},
        ["gone"],
    )
    assert output["sources"] == ["a", "gone", "c"], "the model's output is left as it is"


def test_citations_stay_when_nothing_is_dropped(ledger: Ledger) -> None:
    output = {"text": "x [2]", "sources": ["a", "b"]}
    assert checked(ledger, output) == (output, [])


@pytest.mark.parametrize(
    ("value", "answer"),
    [("see [1]", True), ({"a": ["see [12]"]}, True), ("see [a]", False), ({"a": [1, None]}, False)],
)
def test_a_citation_is_found_wherever_it_stands(value: Any, answer: bool) -> None:
    assert cites(value) is answer
