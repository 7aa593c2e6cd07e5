"""Finding what fits a question, and the bundled notes."""

import pytest

from services.assistants.study import notes
from services.assistants.study.passages import Passage, clip, ranked, sentences, split, stem, terms, under_headings
from tests.clocks import cpu_within


def test_the_passage_with_the_questions_words_comes_first() -> None:
    passages = [Passage("The moon circles the earth."), Passage("Cells divide."), Passage("A cell has a membrane.")]

    found = [passage.text for _, passage in ranked(passages, "What is the membrane of cells?")]

    assert found == ["A cell has a membrane.", "Cells divide."]


def test_nothing_is_found_for_words_that_say_nothing() -> None:
    assert ranked([Passage("What is this?")], "What is this?") == []
    assert ranked([], "cells") == []


def test_a_heading_counts_more_than_the_text() -> None:
    passages = [Passage("About light, light and light.", "Colours"), Passage("It has many parts.", "Light")]

    assert ranked(passages, "light")[0][1].heading == "Light"


@pytest.mark.parametrize(
    ("one", "other"), [("cell", "cells"), ("dividing", "divided"), ("ohm", "ohms"), ("galaxy", "galaxies")]
)
def test_forms_of_a_word_share_a_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


def test_possessives_are_the_word() -> None:
    assert terms("Newton's laws") == terms("newtons law")


@pytest.mark.parametrize("question", ["(", "a" * 10_000, "*+?[", "\\", "数学", "٣", "'s", "[" * 5000])
def test_any_question_can_be_asked(question: str) -> None:
    ranked([Passage("数学 and a text (", "[heading")], question)
    notes.best(question)


def test_two_hundred_pages_are_searched_in_a_moment() -> None:
    page = "The mitochondria release energy from sugar and the cell keeps it. " * 45
    passages = [Passage(text, source=number) for number in range(200) for text in split(page)]
    passages.append(Passage("Chlorophyll takes in red and blue light."))

    with cpu_within(1):
        found = ranked(passages, "How does chlorophyll take in light, and what do mitochondria do with sugar?")

    assert found[0][1].text.startswith("Chlorophyll")


def test_splitting_keeps_all_words_in_order() -> None:
    text = "\n\n".join(f"Sentence {n} stands here. And another one {n}." for n in range(200)) + "x" * 5000

    pieces = split(text)

    assert all(len(piece) <= 900 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_a_heading_is_no_sentence_and_goes_with_what_it_heads() -> None:
    page = (
        "Biology 101\nChapter 2\n2.1 Mitochondria\nThey release energy from sugar, which the cell needs for all that "
        "it does, also\nMuscles, as we know. They are many.\nRibosomes\nThey build proteins of what the messenger says."
    )

    assert under_headings(page) == [
        ("Biology 101\n\nChapter 2\n\n2.1 Mitochondria", page.split("\n")[3] + " Muscles, as we know."),
        ("Biology 101\n\nChapter 2\n\n2.1 Mitochondria", "They are many."),
        ("Ribosomes", "They build proteins of what the messenger says."),
    ]
    assert under_headings("# Cells\n\nThey divide.\n\n## Last") == [("# Cells", "They divide."), ("# Cells", "## Last")]


def test_lines_without_a_full_stop_are_a_list_and_not_lost() -> None:
    assert sentences("Membrane\nNucleus\nRibosome\nVacuole\nThese are its parts.") == [
        "Membrane", "Nucleus", "Ribosome", "Vacuole", "These are its parts.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "\n \n", "A", "1\n" * 5000, "#" * 5000, "Ab\n\n" * 5000, "a. " * 5000, " " * 5000]
)
def test_any_text_has_parts(text: str) -> None:
    found = "".join(f"{heading}{sentence}" for heading, sentence in under_headings(text))
    assert bool(found) is bool(text.strip())
    assert "".join("".join(split(text)).split()) == "".join(text.split())


def test_sentences_and_clips() -> None:
    assert sentences("One. Two!\nThree? Four") == ["One.", "Two!", "Three?", "Four"]
    assert clip("one two three", 9) == "one two…"
    assert clip("short", 9) == "short"


@pytest.mark.slow
def test_there_are_notes_on_twelve_subjects_at_least_and_each_can_be_asked_for() -> None:
    bundled = notes.bundled()

    assert len({note.subject for note in bundled.values()}) >= 12
    for note in bundled.values():
        assert all(note.sections[name] for name in notes.SECTIONS)
        assert notes.best(f"Please explain {note.title} to me") is note
        for name in note.words:
            assert notes.best(name) is not None, name


@pytest.mark.parametrize(
    "question", ["What is the capital of Peru?", "Who wrote Hamlet?", "I am learning French", "", "?"]
)
def test_no_note_is_better_than_a_wrong_one(question: str) -> None:
    assert notes.best(question) is None


def test_a_note_that_lacks_something_is_refused() -> None:
    with pytest.raises(notes.BadNote, match="note odd"):
        notes.parse("odd", "# Odd\nSubject: Oddities\nWords: odd\n\n## In short\nNothing.")
