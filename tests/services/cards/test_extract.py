import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cards.extract import extract
from services.cards.gaps import GAP
from services.cards.made import (
    MAX_BACK_CHARS,
    MAX_CARDS,
    MAX_FRONT_CHARS,
    MAX_QUESTIONS,
    MIN_CARDS,
    MIN_QUESTIONS,
    Made,
)
from services.cards.statements import statements
from tests.clocks import cpu_within
from tests.decks import ANSWER

GERMAN = """Die Photosynthese wandelt Lichtenergie in chemische Energie um. Sie findet in den Chloroplasten statt.
Dabei entstehen Glukose und Sauerstoff aus Wasser und Kohlendioxid. Der Calvin-Zyklus läuft im Stroma ab."""
TABLE = """| Part | Place | Product |
| --- | :---: | --- |
| Light reactions | thylakoid | oxygen |
| Calvin cycle | stroma | glucose |
"""


def made_from(text: str) -> Made:
    made = extract(text)
    assert made is not None
    return made


def fronts(text: str) -> list[str]:
    return [card.front for card in made_from(text).cards]


def test_an_answer_gives_five_to_twelve_cards_and_a_quiz() -> None:
    made = made_from(ANSWER)

    assert MIN_CARDS <= len(made.cards) <= MAX_CARDS
    assert MIN_QUESTIONS <= len(made.quiz) <= MAX_QUESTIONS
    assert len({card.front for card in made.cards}) == len(made.cards)


def test_what_is_defined_is_asked_for() -> None:
    cards = {card.front: card.back for card in made_from(ANSWER).cards}

    assert cards["What is Photosynthesis?"].startswith("Photosynthesis is the process")
    assert cards["What do you know about **Chlorophyll**?"].startswith("the green pigment")


def test_nothing_is_made_up() -> None:
    made = made_from(ANSWER)
    known = ANSWER.replace("*", "")

    for question in made.quiz:
        assert question.right in question.options
        assert all(option in known for option in question.options)
        assert question.question.count(GAP) == 1
    for card in made.cards:
        if GAP in card.front:
            assert card.back.strip("*") in known
            assert card.back.strip("*") not in card.front.split()


def test_marks_of_citations_and_emphasis_do_not_reach_a_card() -> None:
    assert not any("[1]" in text for card in made_from(ANSWER).cards for text in (card.front, card.back))


def test_a_row_of_a_table_is_a_card() -> None:
    cards = {card.front: card.back for card in made_from(ANSWER + "\n" + TABLE).cards}

    assert cards["What do you know about **Calvin cycle**?"] == "- Place: stroma\n- Product: glucose"


def test_other_languages_get_gaps() -> None:
    made = made_from(GERMAN)

    assert all(GAP in card.front for card in made.cards)
    assert len(made.quiz) >= MIN_QUESTIONS


def test_a_formula_is_left_whole() -> None:
    text = ANSWER + "\nThe equation of the whole is written as $6CO_2 + 6H_2O \\to C_6H_{12}O_6 + 6O_2$ in symbols.\n"

    said = [card.front + card.back for card in made_from(text).cards]

    assert any("$6CO_2 + 6H_2O \\to C_6H_{12}O_6 + 6O_2$" in text for text in said)


def test_code_questions_and_sources_are_left_out() -> None:
    text = "```python\nphotosynthesis = 'is a process in the code'\n```\n\nWould you like an example of it?\n\n"

    assert not statements(text + "## Sources\n\n1. The biology book states that plants are green.\n")
    assert not statements("I found nothing about this in your files or in the notes of this site.")


@pytest.mark.parametrize("text", ["", " ", "Yes.", "42", "Water boils at 100 °C at sea level.", "🙂" * 500, "?" * 5000])
def test_an_answer_that_says_too_little_gives_nothing(text: str) -> None:
    assert extract(text) is None


def test_the_same_answer_gives_the_same_cards() -> None:
    assert extract(ANSWER) == extract(ANSWER)


def test_html_in_an_answer_is_not_carried_over() -> None:
    text = ANSWER + "\nThe <script>alert(1)</script> cell wall is a layer that <img src=x onerror=alert(1)> protects.\n"

    assert not any("<" in card.front + card.back for card in made_from(text).cards)


@pytest.mark.parametrize(
    "piece",
    ["*", "> ", "[", "](", "**a ", "| a ", "$", "_a", "<a", "`", "1.", "a. ", "- - ", "A: b ", "\\(", "# ", "A b c. "],
)
def test_hostile_text_takes_no_time(piece: str) -> None:
    with cpu_within(1):
        extract(piece * (200_000 // len(piece)))
        extract((piece * 80 + "\n") * 2_000)


@pytest.mark.slow
@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("ab cdEF1.\n*_|$`#-:[]()<>é数。 "), max_size=800))
def test_whatever_it_reads_stays_within_bounds(text: str) -> None:
    made = extract(text + ANSWER)

    if made is not None:
        assert MIN_CARDS <= len(made.cards) <= MAX_CARDS
        assert all(
            0 < len(card.front) <= MAX_FRONT_CHARS and 0 < len(card.back) <= MAX_BACK_CHARS for card in made.cards
        )
        for question in made.quiz:
            assert len(set(question.options)) == len(question.options) >= 2
            assert question.right in question.options
