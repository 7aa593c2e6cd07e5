import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stories.safety import Pieces

SENTENCES = [
    "Mr. Fox lived at the edge of the wood. ",
    '"Stop!" said Mia. ',
    "“Where are you going?” asked Dr. Owl, who was up early.  ",
    '"Come here! Now," he said. ',
    "It was J. K. who came...  but nobody saw it! ",
    "At 7.30 p.m. the bell rang.\n",
    "And then? They laughed.\n\n",
    "Ice. ",
]
WORDS = st.sampled_from([*SENTENCES, "word ", "a", " ", "\n", "\n\n", "!", '"', "Zoë ", "…", "x" * 900])


def cut(text: str, sizes: list[int], mode: str, most: int, least: int) -> list[str]:
    pieces = Pieces(mode, most, least)  # type: ignore[arg-type]
    found, start, place = [], 0, 0
    while start < len(text):
        size = sizes[place % len(sizes)]
        found += pieces.feed(text[start : start + size])
        start, place = start + size, place + 1
    return [*found, *pieces.finish()]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(WORDS, max_size=40),
    st.lists(st.integers(1, 60), min_size=1, max_size=5),
    st.sampled_from(["paragraph", "token"]),
    st.integers(5, 60),
)
def test_pieces_are_the_text_however_it_comes(parts: list[str], sizes: list[int], mode: str, most: int) -> None:
    text = "".join(parts)

    found = cut(text, sizes, mode, most, 4)

    assert "".join(found) == text
    assert found == cut(text, [max(1, len(text))], mode, most, 4)
    assert all(len(piece.split()) <= most for piece in found)
    if mode == "paragraph" and "x" * 900 not in text:
        # What is only spaces counts as a word where it stands alone, at the beginning.
        assert all(len(piece.split()) >= 3 for piece in found[:-1])


def test_sentences_are_not_cut_in_speech_or_behind_abbreviations() -> None:
    text = "".join(SENTENCES)

    assert [piece.strip() for piece in cut(text, [3], "token", 200, 50)] == [
        "Mr. Fox lived at the edge of the wood.",
        '"Stop!" said Mia.',
        "“Where are you going?” asked Dr. Owl, who was up early.",
        '"Come here! Now," he said.',
        "It was J. K. who came...  but nobody saw it!",
        "At 7.30 p.m. the bell rang.",
        "And then?",
        "They laughed.",
        "Ice.",
    ]


def test_a_paragraph_is_whole_when_the_next_one_begins() -> None:
    paragraph = "The boat sailed on. " * 15 + "It was late.\n\n"
    pieces = Pieces("paragraph", 200)

    assert pieces.feed(paragraph) == []
    assert pieces.feed("The") == [paragraph]
    assert pieces.feed(" end.") == []
    assert pieces.finish() == ["The end."]
    assert pieces.finish() == []


def test_short_paragraphs_go_together_and_long_ones_end_with_a_sentence() -> None:
    text = "One two three.\n\n" * 20 + "Here is a sentence of seven words. " * 40

    found = cut(text, [7], "paragraph", 100, 50)

    assert found[0] == "One two three.\n\n" * 17
    assert all(50 <= len(piece.split()) <= 100 for piece in found[:-1])
    assert all(piece.rstrip().endswith(".") for piece in found)


def test_a_sentence_without_end_is_cut_between_words() -> None:
    found = cut("word " * 1000, [11], "token", 60, 50)

    assert [len(piece.split()) for piece in found] == [60] * 16 + [40]


def test_a_mark_of_speech_that_never_closes_holds_nothing_back_for_long() -> None:
    text = '"Hello. ' + "They went on. " * 60

    assert max(len(piece.split()) for piece in cut(text, [9], "token", 200, 50)) < 70


@pytest.mark.slow
def test_a_long_text_in_single_letters_takes_time_by_its_length() -> None:
    draw = random.Random(6)
    text = "".join(draw.choice("ab .\n\"'") for _ in range(200_000))

    assert "".join(cut(text, [1], "paragraph", 200, 50)) == text
    assert "".join(cut("x" * 200_000, [1], "paragraph", 200, 50)) == "x" * 200_000
