"""Cutting texts: letter for letter, nothing lost, nothing too long, always alike."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.knowledge import chunking
from services.knowledge.chunking import MAX_TOKENS, Chunk, chunks, tokens
from services.llm.static import StaticModel

SENTENCE = "The quick brown fox jumps over the lazy dog near the old stone bridge. "


def cut(text: str, *, has_marks: bool = True, **sizes: int) -> list[Chunk]:
    return list(chunks([(1, text)], has_marks=has_marks, **sizes))


def words_of(text: str) -> set[str]:
    return set(text.split())


pieces = st.sampled_from(
    [
        "# A\n",
        "## B\n\n",
        "```\n",
        "- item\n",
        "a | b\n",
        "word ",
        "Wort. ",
        "\n\n",
        "\n",
        "数据。",
        "e.g. ",
        "x" * 400,
        "==\n",
    ]
)


@pytest.mark.slow
@given(st.lists(st.lists(pieces, max_size=60).map("".join), min_size=1, max_size=4), st.booleans())
def test_every_chunk_stands_where_it_says_and_every_word_in_a_chunk(texts: list[str], has_marks: bool) -> None:
    pages = list(enumerate(texts, start=1))

    found = list(chunks(pages, has_marks=has_marks))

    assert [chunk.position for chunk in found] == list(range(len(found)))
    for chunk in found:
        assert chunk.text == texts[chunk.page - 1][chunk.start : chunk.end]
        assert chunk.text.strip()
        assert tokens(chunk.text) <= MAX_TOKENS * 1.1
    told = "".join("".join(f"{chunk.heading} {chunk.text}" for chunk in found).split())
    for word in ("item", "word", "Wort.", "数据。"):
        assert (word in told) or word not in "".join(texts), word
    assert found == list(chunks(pages, has_marks=has_marks))


@pytest.mark.slow
@given(st.text(max_size=3000))
def test_any_text_can_be_cut(text: str) -> None:
    for chunk in cut(text, target=20, most=30, overlap=5):
        assert chunk.text == text[chunk.start : chunk.end]


def test_headings_stand_over_what_is_under_them() -> None:
    text = "Before.\n\n# A\n\nOne.\n\n## B ##\n\nTwo.\n\n### C\n\n## **D** `x`\n\nThree.\n\n# E\n\nFour."

    assert [(chunk.heading, chunk.text) for chunk in cut(text)] == [
        ("", "Before."),
        ("A", "One."),
        ("A > B", "Two."),
        ("A > B > C", "C"),
        ("A > D x", "Three."),
        ("E", "Four."),
    ]


def test_a_title_that_is_the_first_heading_too_stands_there_once() -> None:
    assert [chunk.heading for chunk in cut("# Slots\n\n## Slots\n\nOne.\n\n### Leases\n\nTwo.")] == [
        "Slots",
        "Slots > Leases",
    ]


def test_headings_stand_over_the_next_page_too() -> None:
    found = list(chunks([(1, "# A\n\nOne.\n\n## B\n\nTwo."), (2, "Three."), (4, "# C\n\nFour.")]))

    assert [(chunk.page, chunk.heading) for chunk in found] == [(1, "A"), (1, "A > B"), (2, "A > B"), (4, "C")]


def test_underlined_headings_count_and_rows_of_a_table_do_not() -> None:
    table = "a | b\n---|---\n1 | 2\n\nLast line of a paragraph\nhere\n----"

    found = cut(f"Title\n=====\n\nWords.\n\nSub title\n---------\nMore.\n\n{table}", has_marks=False)

    assert [chunk.heading for chunk in found] == ["Title", "Title > Sub title"]
    assert found[1].text.startswith("More.")


def test_marks_in_plain_text_and_in_code_are_characters() -> None:
    code = "```python\n# no heading\nx = 1\n```"

    assert [(chunk.heading, chunk.text) for chunk in cut(f"# A\n\n{code}")] == [("A", code)]
    assert [chunk.heading for chunk in cut("# no heading\nx = 1", has_marks=False)] == [""]


def test_long_text_becomes_chunks_of_about_the_size_wanted_that_end_with_sentences() -> None:
    found = cut("\n\n".join(SENTENCE * 6 for _ in range(20)))

    sizes = [tokens(chunk.text) for chunk in found]
    assert len(found) > 5
    assert all(150 <= size <= MAX_TOKENS for size in sizes[:-1]), sizes
    assert all(chunk.text.endswith(".") and chunk.text.startswith("The quick") for chunk in found)


def test_a_paragraph_that_is_cut_goes_on_with_the_sentence_before() -> None:
    text = " ".join(f"Sentence number {number} says a little about thing {number}." for number in range(80))

    found = cut(text)

    assert len(found) > 2
    for before, after in pairwise(found):
        assert before.start < after.start < before.end < after.end


def test_abbreviations_initials_and_numbers_end_no_sentence() -> None:
    sentences = [
        "See e.g. Fig. 3 of Dr. A. Turing for more.",
        "It costs 3.50 in version 2.1 now.",
        "1. First comes 27.",
        "「はい。」",
        "そうです。",
        "Last comes " + "word " * 60 + "end.",
    ]

    assert [chunk.text for chunk in cut(" ".join(sentences), target=1, most=90, overlap=0)] == sentences


def test_rows_are_never_cut_in_the_middle() -> None:
    rows = [f"Name: Person {number}; City: Town {number}; Note: something to say" for number in range(60)]

    found = cut("\n".join(rows), has_marks=False)

    assert len(found) > 2
    for chunk in found:
        assert set(chunk.text.split("\n")) <= set(rows)


def test_a_word_without_end_is_cut_anywhere() -> None:
    found = cut("x" * 20_000 + " " + "数" * 3_000 + " " + "1" * 3_000)

    assert len(found) > 10
    assert all(tokens(chunk.text) <= MAX_TOKENS for chunk in found)
    assert sum(len(chunk.text) for chunk in found) >= 26_000


def test_a_few_words_at_the_end_go_with_what_is_before_them() -> None:
    found = cut(SENTENCE * 14 + "\n\n" + "The end.")

    assert found[-1].text.endswith("The end.")
    assert tokens(found[-1].text) > 40


def test_what_is_embedded_says_what_it_is_about() -> None:
    assert chunking.embedded("A > B", "Words.") == "A > B\nWords."
    assert chunking.embedded("", "Words.") == "Words."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        (SENTENCE * 20, 0.7, 1.3),
        ("for index, value in enumerate(values): total += value * weights[index]\n" * 20, 0.7, 1.3),
        ("Die Gesellschaft beförderte Güter und Fahrgäste zwischen Passau und dem Meer. " * 20, 0.7, 1.3),
        ("Быстрая лиса прыгает через собаку и убегает в тёмный лес. " * 20, 0.7, 1.4),
        ("机器学习是人工智能的一个分支，它使计算机能够从数据中学习。" * 20, 0.6, 1.3),
    ],
)
def test_tokens_are_counted_about_right_in_several_scripts(text: str, low: float, high: float) -> None:
    assert low <= tokens(text) / StaticModel().count(text) <= high
