"""Words, stems, sentences and token counts of English and Korean text."""

import pytest

from offline_model.evidence.relevance import Query, fewer_terms, search_terms
from offline_model.text.asks import SAVING, is_asked, is_order
from offline_model.text.sentences import sentences, shortened
from offline_model.text.token_count import first_tokens, prompt_token_count, token_count
from offline_model.text.words import is_korean, key_words, stem, term_set, without_ending


@pytest.mark.parametrize(
    "forms",
    [
        ("refund", "refunds", "refunded", "refunding"),
        ("cancel", "cancelled", "cancelling", "cancellation"),
        ("policy", "policies"),
        ("save", "saves", "saved", "saving"),
        ("box", "boxes"),
        ("stop", "stopped", "stopping"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]):
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize("word", ["bus", "class", "this", "a1b2s", "sing", "bed"])
def test_short_and_odd_words_are_left_whole(word: str):
    assert stem(word) == word


@pytest.mark.parametrize(
    ("word", "bare"),
    [("환불은", "환불"), ("환불하나요", "환불"), ("고객에게", "고객"), ("나는", "나는"), ("refund", "refund")],
)
def test_korean_endings_are_taken_off(word: str, bare: str):
    assert without_ending(word) == bare


def test_key_words_are_those_that_carry_the_subject():
    assert [word.surface for word in key_words("How do I reset the VPN password, and the password of INV-2041?")] == [
        "reset",
        "VPN",
        "password",
        "INV",
        "2041",
    ]
    assert key_words("환불은 어떻게 받나요?")[0].surface == "환불"


def test_korean_words_meet_without_the_space():
    query = Query(key_words("환불정책"), [])
    assert query.is_met(term_set("당사의 환불 정책입니다"))
    assert not query.is_met(term_set("구내식당은 정오에 엽니다"))


def test_a_text_is_korean_when_a_third_of_its_letters_are():
    assert is_korean("VPN 접속이 안 됩니다")
    assert not is_korean("The word 환불 means refund")
    assert not is_korean("123")


def test_search_terms_are_few_and_retried_with_fewer():
    terms = search_terms(
        key_words("red orange yellow green blue indigo violet black white"), key_words("grey and pink")
    )
    assert terms == "red orange yellow green blue indigo violet black grey pink"
    assert fewer_terms(terms) == "orange yellow indigo"
    assert fewer_terms("refund") == "refund"


def test_sentences_follow_markdown_s_structure():
    text = """# Title

A paragraph that
goes on. Second e.g. this one! Third
- item one
- item two. And more

| a | b |
|---|---|
```
code
```
## Sub
Version 1.2 is out.[1]
Sources: [1] none"""
    assert [(sentence.heading, sentence.text) for sentence in sentences(text)] == [
        ("Title", "A paragraph that goes on."),
        ("Title", "Second e.g. this one!"),
        ("Title", "Third"),
        ("Title", "item one"),
        ("Title", "item two."),
        ("Title", "And more"),
        ("Title", "a | b"),
        ("Sub", "Version 1.2 is out."),
    ]


def test_a_unit_ends_a_sentence_but_an_initial_does_not():
    found = [sentence.text for sentence in sentences("It takes 180 s. We met J. Kim there.")]
    assert found == ["It takes 180 s.", "We met J. Kim there."]


def test_code_is_no_sentence_but_a_nested_item_is():
    text = "Run this:\n\n    make demo\n    make test\n\n- one\n    - nested\n\nAfter."
    assert [sentence.text for sentence in sentences(text)] == ["Run this:", "one", "nested", "After."]


def test_the_items_of_a_list_know_what_announces_them():
    found = sentences("Before. Do this:\n1. Open it. Look.\n\n2. Close it.\n\nAfter.")
    assert [(sentence.text, sentence.introduced_by) for sentence in found] == [
        ("Before.", None),
        ("Do this:", None),
        ("Open it.", 1),
        ("Look.", 1),
        ("Close it.", 1),
        ("After.", None),
    ]


def test_korean_and_bracketed_sentences_are_split_well():
    assert [sentence.text for sentence in sentences("환불됩니다. 5일 걸립니다。끝입니다.")] == [
        "환불됩니다.",
        "5일 걸립니다。",
        "끝입니다.",
    ]
    assert [sentence.text for sentence in sentences("It is so. (See the manual.) And so.")] == [
        "It is so. (See the manual.)",
        "And so.",
    ]


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [("short", 10, "short"), ("a long sentence here", 12, "a long…"), ("unbreakableword", 5, "unbr…"), ("abc", 1, "…")],
)
def test_texts_are_shortened_at_a_word(text: str, limit: int, cut: str):
    assert shortened(text, limit) == cut
    assert len(cut) <= limit


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("letter", 1), ("letters", 2), ("a, b", 3), ("환불", 2), ("환불정책", 3), ("v1.2", 3)],
)
def test_tokens_follow_the_formula(text: str, tokens: int):
    assert token_count(text) == tokens


def test_a_prompt_counts_its_frames():
    assert prompt_token_count(["a", "b"], messages=2) == 2 + 3 * 3


def test_a_cut_keeps_whole_runs():
    assert first_tokens("one two three", 2) == "one two"
    assert first_tokens("one two", 2) == "one two"
    assert first_tokens("subscriptions", 1) == ""


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Please save it.", True),
        ("Do not save it.", False),
        ("I can't save it.", False),
        ("Don't forget to call, then save it.", True),
        ("저장해 주세요", True),
        ("저장하지 마세요", False),
        ("saved", False),
    ],
)
def test_a_wish_is_told_from_its_negation(text: str, asked: bool):
    assert is_asked(SAVING, text) is asked


def test_orders_are_told_from_statements():
    assert is_order("Please summarise the text.")
    assert is_order("요약해 주세요.")
    assert not is_order("The build failed.")
