"""Chunks: complete, under their headings, of bounded length, overlapping a little."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.chunks import LENGTH, OVERLAP, SHORTEST_REST, split

ENGLISH = " ".join(f"Sentence number {number} tells something about refunds." for number in range(200))
KOREAN = "".join(f"제{number}조환불은영업일오일안에카드로지급됩니다" for number in range(300))


def bodies(text: str) -> list[str]:
    return [chunk.text for chunk in split(text)]


def joined(pieces: list[str], separator: str = "") -> str:
    """The text the pieces were cut from: each piece without what it repeats of the one before."""
    whole = pieces[0]
    for piece in pieces[1:]:
        shared = max((n for n in range(min(OVERLAP, len(piece)) + 1) if whole.endswith(piece[:n])), default=0)
        whole += (separator if not shared else "") + piece[shared:]
    return whole


def test_a_short_text_is_one_chunk_without_heading():
    chunk = split("Refunds take 5 days.\n")[0]
    assert (chunk.index, chunk.heading, chunk.text) == (0, "", "Refunds take 5 days.")


@pytest.mark.parametrize("text", ["", "  \n\n ", "\n"])
def test_a_text_without_words_has_no_chunks(text: str):
    assert split(text) == []


def test_each_chunk_stands_under_the_path_of_its_headings():
    text = "Before.\n# A\nOne.\n## B\nTwo.\n### C\nThree.\n## D\nFour.\n# E\nFive."
    assert [(chunk.index, chunk.heading, chunk.text) for chunk in split(text)] == [
        (0, "", "Before."),
        (1, "A", "One."),
        (2, "A > B", "Two."),
        (3, "A > B > C", "Three."),
        (4, "A > D", "Four."),
        (5, "E", "Five."),
    ]


def test_a_heading_with_nothing_under_it_is_not_lost():
    assert [(chunk.heading, chunk.text) for chunk in split("# A\n## B\n## C\nText.\n# D")] == [
        ("A > B", "B"),
        ("A > C", "Text."),
        ("D", "D"),
    ]


def test_a_comment_in_code_is_no_heading():
    assert bodies("# A\n```\n# not a heading\nrun\n```\nText.") == ["```\n# not a heading\nrun\n```\nText."]


@pytest.mark.parametrize(("text", "separator"), [(ENGLISH, " "), (KOREAN, "")])
def test_long_texts_are_cut_into_overlapping_pieces_that_hold_all_of_it(text: str, separator: str):
    pieces = bodies(text)
    assert joined(pieces, separator) == text
    assert all(LENGTH // 2 <= len(piece) <= LENGTH + SHORTEST_REST for piece in pieces[:-1])
    for before, after in pairwise(pieces):
        shared = max(n for n in range(OVERLAP + 1) if before.endswith(after[:n]))
        assert 0 < shared <= OVERLAP


def test_cuts_are_at_sentence_ends_where_there_are_any():
    for piece in bodies(ENGLISH):
        assert piece.startswith("Sentence number")
        assert piece.endswith("refunds.")


def test_a_paragraph_s_end_is_the_best_cut():
    paragraphs = "\n\n".join(f"{number}. " + "word " * 150 for number in range(8))
    assert all(piece.endswith("word") and piece.count("\n\n") <= 1 for piece in bodies(paragraphs))
    first = bodies("A" * 700 + "\n\n" + "B. " * 400)[0]
    assert first == "A" * 700


def test_a_short_rest_stays_with_the_chunk_before():
    assert len(bodies("x" * (LENGTH + SHORTEST_REST))) == 1
    assert len(bodies("x" * (LENGTH + SHORTEST_REST + 1))) == 2


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["# A\n", "\n\n", "## B\n", "```\n", ". ", " " * 700, "환불" * 900, "word " * 300, "끝났습니다。"]
            ),
            st.text(max_size=50),
        ),
        max_size=12,
    ).map("".join)
)
def test_chunks_of_any_text_are_numbered_bounded_never_empty_and_always_the_same(text: str):
    chunks = split(text)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.text.strip() and len(chunk.text) <= LENGTH + SHORTEST_REST for chunk in chunks)
    assert split(text) == chunks
    assert bool(chunks) or not any(character.isalnum() for character in text)


def test_work_grows_with_the_length_of_the_text_only():
    assert sum(len(piece) for piece in bodies(KOREAN * 100)) < len(KOREAN) * 100 * 1.2
    assert len(bodies("# H\nText.\n" * 20_000)) == 20_000
