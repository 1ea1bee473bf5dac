"""The final answer: sentences that were given, each with its source, or plainly nothing."""

import json
import re

import pytest

from offline_model.conversation import Called, Conversation, Returned, Said
from offline_model.decide import decide
from offline_model.evidence.answer import answer_from
from offline_model.evidence.passages import Passage, passages_in
from offline_model.text.words import key_words


def answer(question: str, *results, rules: str = "") -> str:
    items: list = [Said("system", rules), Said("user", question)]
    for number, result in enumerate(results):
        text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
        items += [Called(f"c{number}", "search_documents", {"query": str(number)}), Returned(f"c{number}", text)]
    return decide(Conversation(tuple(items))).text


def test_every_sentence_was_given_and_carries_a_marker(documents):
    text = answer("When is a refund paid to my card?", {"results": documents})
    body, sources = text.split("\n\n")
    cited = re.findall(r"(.+?) \[(\d+)\](?: |$)", body)
    given = {"1": documents[0]["text"], "2": documents[1]["text"]}
    assert 2 <= len(cited) <= 5
    for sentence, number in cited:
        assert sentence in given[number]
    assert sources == "Sources: [1] Refund policy (refunds.md); [2] Shipping (shipping.md)"


def test_unrelated_sentences_are_left_out(documents):
    assert "canteen" not in answer("When is a refund paid to my card?", {"results": documents})


def test_the_most_telling_document_is_number_one(documents):
    text = answer("When do orders ship?", {"results": documents})
    assert text.startswith("Orders ship in two days. [1]")
    assert "Sources: [1] Shipping (shipping.md)" in text


def test_plain_text_results_are_cited_by_their_tool():
    text = answer("When is a refund paid?", "A refund is paid on Friday. The sky is blue.")
    assert text.startswith("A refund is paid on Friday. [1]")
    assert text.endswith("Sources: [1] search_documents")


def test_results_wrapped_as_mcp_text_content_are_read():
    wrapped = [
        {"type": "text", "text": json.dumps({"results": [{"title": "Pay", "text": "A refund is paid on Friday."}]})}
    ]
    assert (
        answer("When is a refund paid?", wrapped)
        == "A refund is paid on Friday. [1]\n\nSources: [1] Pay (search_documents)"
    )


def test_the_same_passage_found_twice_is_said_once(documents):
    text = answer("When is a refund paid to my card?", {"results": documents}, {"results": documents})
    assert text.count("within 5 working days") == 1


def test_overlapping_chunks_of_a_document_are_one_source(documents):
    chunk = documents[0] | {
        "chunk": 1,
        "text": "Refunds are paid to the original card within 5 working days. Ask the desk.",
    }
    text = answer("When is a refund paid to my card?", {"results": [documents[0], chunk]})
    assert text.count("within 5 working days") == 1
    assert text.endswith("Sources: [1] Refund policy (refunds.md)")


def test_an_error_result_is_no_evidence():
    assert "I found nothing about" in answer("Why did the refund fail?", "Error: the refund index failed to open")


def test_korean_questions_are_answered_from_korean_documents():
    result = {
        "results": [
            {
                "title": "환불 정책",
                "source": "환불.md",
                "text": "환불금은 영업일 5일 안에 카드로 지급됩니다. 상품권은 제외입니다.",
            },
            {"title": "식당", "source": "식당.md", "text": "구내식당은 정오에 엽니다."},
        ]
    }
    text = answer("환불금은 언제 카드로 지급되나요?", result)
    assert text.startswith("환불금은 영업일 5일 안에 카드로 지급됩니다. [1]")
    assert "구내식당" not in text
    assert text.endswith("Sources: [1] 환불 정책 (환불.md)")


def test_korean_requests_are_told_in_korean_that_nothing_was_found():
    text = answer("토스터의 보증 기간은 얼마인가요?", {"results": []})
    assert text.startswith("저는 오프라인 추출 모델입니다.")
    assert "토스터" in text


def test_the_steps_of_an_announced_list_are_the_answer():
    text = "To reset the password:\n\n1. Open the page.\n2. Press the button.\n\nThe canteen opens at noon."
    found = answer_from([Passage(text, "Guide", "guide.md", "g")], key_words("How do I reset the password?"))
    assert [line for line, _ in found.lines] == ["To reset the password:", "Open the page.", "Press the button."]


def test_an_earlier_answer_that_found_nothing_is_no_evidence():
    nothing = answer("Where is the toaster?", {"results": []})
    assert "I found nothing about 'toaster'" in answer("Where is the toaster?", {"results": [{"text": nothing}]})


def test_a_heading_helps_to_find_its_sentences():
    text = "# Toaster\n\n## Warranty\n\nIt lasts two years.\n\n## Cleaning\n\nUse a dry cloth."
    found = answer_from([Passage(text, "Manual", "manual.md", "m")], key_words("How long is the toaster warranty?"))
    assert found.best == "It lasts two years."


def test_the_user_s_own_text_is_answered_from_when_there_is_nothing_else():
    asked = "Summarise this: The build failed on Tuesday. Two tests were flaky. The team repaired the network mock."
    text = answer(asked)
    assert "The build failed on Tuesday. [1]" in text
    assert text.endswith("Sources: [1] your text")


def test_a_question_the_user_s_own_text_does_not_answer_is_not_answered():
    assert "I found nothing about" in answer("The sky is blue. What is the capital of France?")


def test_input_values_are_evidence_too(task):
    text = answer(
        task("Draft an answer.", request="When is a refund paid?", notes="A refund is paid on Friday at noon.")
    )
    assert text == "A refund is paid on Friday at noon. [1]\n\nSources: [1] notes"


def test_a_draft_nobody_objects_to_is_kept_word_for_word(task):
    draft = "You are paid on Friday. [1]\n\nSources: [1] Pay (pay.md)"
    assert answer(task("Hand the answer over.", request="When is a refund paid?", answer=draft)) == draft


def test_the_rules_are_never_quoted():
    text = answer("When is a refund paid?", {"results": []}, rules="A refund is paid on Friday. Be kind.")
    assert "Friday" not in text


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("", []),
        ({}, []),
        (None, []),
        ([{"snippet": "A."}, {"content": "B."}], ["A.", "B."]),
        ({"data": {"items": [{"name": "x", "body": "C."}]}}, ["C."]),
        ({"temperature": 21, "sky": "clear", "wind": None}, ["temperature: 21; sky: clear"]),
        ({"document_id": "d1", "title": "Only named"}, []),
    ],
)
def test_passages_are_found_in_any_shape_of_result(value, texts: list[str]):
    assert [passage.text for passage in passages_in(value, "tool")] == texts
