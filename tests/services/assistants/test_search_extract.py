"""The search's answer without a model: sentences of the passages, word for word, and inert."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from services.assistants.search.citing import extract_citations
from services.assistants.search.extract import authored, quoted, sentences_of
from services.assistants.search.related import questions
from services.assistants.search.words import own_words, stems
from tests.clocks import cpu_within
from tests.services.assistants.searching import HANDBOOK, MEMO, passage


def test_the_sentence_that_answers_comes_first_with_its_number() -> None:
    assert authored("How long are backups kept?", HANDBOOK).startswith("Backups are kept for 30 days [1].")


def test_several_passages_are_quoted_the_best_first() -> None:
    text = authored("How long are backups kept for the mail server?", [*HANDBOOK, MEMO])

    lines = text.split("\n")
    assert lines[0] == "- Since March, backups of the mail server are kept for 90 days [4]."
    assert "- Backups are kept for 30 days [1]." in lines
    assert "office" not in text


def test_the_same_sentence_is_said_once() -> None:
    twin = passage("Backups are kept for 30 days.", name="copy.md")

    text = authored("How long are backups kept?", [HANDBOOK[0], twin])

    assert text.count("Backups are kept for 30 days") == 1


def test_sentences_that_follow_each_other_stand_together() -> None:
    found = passage("Restoring a backup takes an hour. Restoring a backup needs the operator. Cats sleep a lot.")

    text = authored("restoring a backup", [found])

    assert text == "Restoring a backup takes an hour [1]. Restoring a backup needs the operator [1]."


def test_a_sentence_that_leans_on_the_one_before_has_it_too() -> None:
    found = passage("The archive stands in the cellar. It holds every tape since 1990.")

    assert authored("Which tape since 1990?", [found]) == (
        "The archive stands in the cellar [1]. It holds every tape since 1990 [1]."
    )


def test_found_by_meaning_alone_the_nearest_passage_begins() -> None:
    text = authored("Feline naps?", [passage("Cats sleep a lot. They purr when they are well. Dogs do not.")])

    assert text == "Cats sleep a lot [1]. They purr when they are well [1]."


def test_a_follow_up_is_answered_about_what_was_asked_before() -> None:
    found = passage("Cats live for fifteen years. Parrots live for fifty years.")

    assert "Parrots" in authored("How long?", [found], context="Tell me about parrots")


def test_without_passages_there_is_no_answer() -> None:
    assert authored("Anything?", []) == ""


@pytest.mark.parametrize("text", ["", "#", "# Heading only", "```\ncode\n```", "|", "short"])
def test_a_passage_without_a_sentence_is_still_quoted(text: str) -> None:
    answer = authored("Anything?", [passage(text)])

    assert answer.rstrip(".").endswith("[1]")
    assert len(answer) > 4


def test_headings_code_and_list_signs_are_no_sentences() -> None:
    text = (
        "# Title\n\nFirst sentence\nstands on two lines. Second one is here!\n\n- an item of a list\n"
        "2. the next of them\n```\ncode. More code here.\n```\nAfter the code."
    )

    assert sentences_of(text) == [
        "First sentence stands on two lines.",
        "Second one is here!",
        "an item of a list",
        "the next of them",
    ]


def test_of_a_documents_markdown_the_words_are_quoted() -> None:
    text = (
        "| Setting | Default |\n| --- | --- |\n| `MAX_STREAMS` | `5` | Answers **at once**. |\n\n"
        "400; 413 `TOO_LARGE`; 429; 503. See [the page](http://x.example) of __init__ and 3*4*5."
    )

    assert sentences_of(text) == [
        "MAX_STREAMS · 5 · Answers at once.",
        "400; 413 TOO_LARGE; 429; 503.",
        "See the page of __init__ and 3*4*5.",
    ]


@pytest.mark.slow
@pytest.mark.req("D1-30")
@given(st.text(alphabet="ab[]()<>`*_~$\\!#&;:/.1 |-+\n", max_size=80))
def test_a_documents_words_have_no_meaning_of_their_own(text: str) -> None:
    """Whatever stands in a document, quoted in an answer it is words: no links, no HTML, no marks, no code."""
    shown = quoted(text)

    assert extract_citations(shown, 99)[1] == []
    tokens = MarkdownIt("commonmark").parse(f"So {shown} [1].")
    inline = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in inline} <= {"text", "text_special", "softbreak"}


def test_a_name_with_underscores_is_left_as_it_is() -> None:
    assert quoted("Use pg_dump_all for a+b and 3 - 2.") == "Use pg_dump_all for a+b and 3 - 2."


def test_looking_at_long_passages_takes_no_time() -> None:
    long = [passage("Backups are kept and kept. " * 40_000, name=f"{n}.txt") for n in range(8)]

    with cpu_within(1):
        authored("How long are backups kept?", long)


@pytest.mark.parametrize("between", [" ", ", "])
def test_of_a_sentence_without_an_end_the_stretch_that_answers_is_quoted(between: str) -> None:
    endless = between.join([*["cats sleep"] * 200, "backups are kept for 30 days", *["dogs bark"] * 100])

    answer = authored("How long are backups kept?", [passage(endless)])

    assert "backups are kept for 30 days" in answer
    assert answer.startswith("…")
    assert len(answer) <= 410
    assert "… [1]" in answer


def test_sentences_that_send_their_reader_on_give_way_to_those_that_tell() -> None:
    found = passage(
        "For more information about how long backups are kept, see the appendix. Backups of mail are kept for 30 days. "
        "This chapter describes how long backups are kept. The following backups are kept long:"
    )

    assert authored("How long are backups kept?", [found]) == "Backups of mail are kept for 30 days [1]."


def test_where_nothing_else_is_said_even_that_is_quoted() -> None:
    assert authored("Where are backups?", [passage("See Section 9 for backups.")]) == "See Section 9 for backups [1]."


def test_words_that_say_nothing_are_left_out() -> None:
    assert own_words("How long are the backups of pg_dump kept?") == ["long", "backups", "pg_dump", "kept"]
    assert stems("Backups backing") == ["backup", "back"]


# -- related questions


def test_related_questions_are_about_what_was_not_cited() -> None:
    found = questions("How long are backups kept?", HANDBOOK, {1})

    assert found == ["What does handbook.pdf say about “Office hours and holidays”?"]
    assert questions("How long are backups kept?", HANDBOOK, {1, 3}) == []


def test_what_was_asked_is_no_way_on() -> None:
    found = [passage("Text.", heading="1. Backups kept"), passage("Text.", heading="Notes"), passage("Text.")]

    assert questions("How long are backups kept?", found, set()) == []


def test_a_heading_is_shown_as_words() -> None:
    found = [passage("Text.", heading="Guide > 2.3 **Restoring** `tapes` from [cellar]")]

    assert questions("Who?", found, set()) == ["What does handbook.pdf say about “Restoring tapes from cellar”?"]


def test_rows_of_tables_are_said_one_by_one_and_with_their_columns() -> None:
    marked = passage("| Years | Extra days |\n| --- | --- |\n| 5 | 1 |\n| 10 | 2 |")
    sheet = passage("Part | Name | Price\nPart: L-1; Name: Lens; Price: 3.40\nPart: L-2; Name: Lamp; Price: 12.50")

    assert sentences_of(marked.text) == ["Years: 5; Extra days: 1", "Years: 10; Extra days: 2"]
    assert authored("Extra days?", [marked]) == "- Years: 5; Extra days: 1 [1]\n- Years: 10; Extra days: 2 [1]"
    assert authored("Which part has a price?", [sheet]) == (
        "- Part: L-1; Name: Lens; Price: 3.40 [1]\n- Part: L-2; Name: Lamp; Price: 12.50 [1]"
    )
    assert authored("What is the lamp?", [sheet]) == "Part: L-2; Name: Lamp; Price: 12.50 [1]"


def test_columns_whose_names_stand_elsewhere_are_not_guessed() -> None:
    assert sentences_of("Three were heard.\nGreen Grain | 6.40 EUR | 3\nBistro Blue | 6.90 EUR | 2") == [
        "Three were heard.",
        "Green Grain · 6.40 EUR · 3",
        "Bistro Blue · 6.90 EUR · 2",
    ]


def test_steps_within_a_line_keep_their_numbers() -> None:
    assert sentences_of("To calibrate it: 1. Choose the lamp. 2. Wait for the light.") == [
        "To calibrate it: 1. Choose the lamp.",
        "2. Wait for the light.",
    ]
