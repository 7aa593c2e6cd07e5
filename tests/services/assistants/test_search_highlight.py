"""Which stretch of a passage a number leads to."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.assistants.search.highlight import MAX_CHARS, claims, of_claims, of_hit
from services.knowledge.passages import Passage
from tests.services.assistants.searching import passage

TEXT = "Cats sleep a lot. " * 60 + "Backups are kept for 30 days. They are checked on Mondays. " + "Dogs bark. " * 60


def stretch(one: Passage, span: tuple[int, int]) -> str:
    return one.text[span[0] - one.start : span[1] - one.start]


def placed(text: str = TEXT) -> Passage:
    """A passage that does not begin where its page does."""
    return replace(passage(text), start=100, end=100 + len(text))


def test_what_a_claim_rests_on_is_led_to() -> None:
    one = placed()

    span = of_claims(one, ["Backups are kept for 30 days [1]."])

    assert stretch(one, span) == "Backups are kept for 30 days."


def test_two_claims_are_led_to_together_if_they_stand_near_each_other() -> None:
    one = placed()

    both = of_claims(one, ["Backups are kept for 30 days [1].", "They are checked on Mondays [1]."])
    far = of_claims(placed(f"Backups are kept. {'Cats sleep a lot. ' * 60}Tapes burn."), ["Backups kept", "Tapes burn"])

    assert stretch(one, both) == "Backups are kept for 30 days. They are checked on Mondays."
    assert far[1] - far[0] < 30


def test_without_a_likeness_what_was_found_is_led_to() -> None:
    one = replace(placed(), hit=(118, 136))

    assert of_claims(one, ["Elephants migrate."]) == of_hit(one) == (118, 136)


def test_no_more_is_marked_than_can_be_taken_in() -> None:
    start, end = of_hit(placed())

    assert start == 100
    assert MAX_CHARS - 20 < end - start <= MAX_CHARS
    assert of_hit(placed("x" * 3_000)) == (100, 100 + MAX_CHARS)
    assert of_claims(placed("lease " * 600), ["lease"])[1] <= 100 + MAX_CHARS


def test_claims_are_told_by_their_numbers() -> None:
    assert claims("One [1]. Two is said. [2]\n- three, four [3]\n- five. Six [3].") == {
        1: ["One [1]."],
        2: ["Two is said. [2]"],
        3: ["- three, four [3]", "- five.", "Six [3]."],
    }


@given(st.text("ab .!?\n[]1", max_size=200), st.text("ab .!?\n[]1", max_size=60))
def test_a_stretch_is_within_its_passage(text: str, answer: str) -> None:
    one = placed(text)

    for start, end in (of_hit(one), of_claims(one, claims(answer).get(1, []))):
        assert one.start <= start <= end <= one.end
