"""What an answer says besides the sentences of its steps."""

from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.dialects.untold import Untold, untold

TOLD = ("Added *Milk*, Thu 15 Jan", "Added *Milk*", "Deleted *X*")
TEXTS = {
    "Added *Milk*, Thu 15 Jan.\n\nDeleted *X*.": "\n",
    "Added *Milk*, Thu 15 Jan. It had been done already.": "It had been done already.",
    "- Added *Milk*, Thu 15 Jan.\n- Deleted *X*.\n": "",
    "Added *Milk*, Thu 15 Jan. It falls on a holiday. \nAdded *Milk*. ": "It falls on a holiday. \n",
    "Added *Milkshake*.\n\nWell.": "Added *Milkshake*.\n\nWell.",
    "Here is the list:\n\n- Deleted *X*.\n- Added *Milk*.\n": "Here is the list:\n\n- Deleted *X*.\n- Added *Milk*.\n",
    "It is so: Deleted *X*.": "It is so: Deleted *X*.",
    "    code\n\nAdded": "    code\n\nAdded",
    "": "",
}


def test_a_line_that_a_step_has_told_is_left_out() -> None:
    for text, rest in TEXTS.items():
        assert untold(text, TOLD) == rest, text


@settings(max_examples=60, deadline=None)
@given(text=st.sampled_from(list(TEXTS)), size=st.integers(1, 9))
def test_how_a_text_is_cut_changes_nothing(text: str, size: int) -> None:
    rest = Untold(set(TOLD))

    shown = "".join(rest.add(text[at : at + size]) for at in range(0, len(text), size)) + rest.finish()

    assert shown == untold(text, TOLD)


def test_what_follows_a_sentence_in_its_line_does_not_wait_for_the_lines_end() -> None:
    rest = Untold(set(TOLD))

    assert rest.add("Deleted *X*. Th") == "Th"
    assert rest.add("at was") == "at was"
    assert rest.add(" all.\nDeleted") == " all.\n"
    assert rest.finish() == "Deleted"


def test_without_steps_a_text_comes_at_once() -> None:
    rest = Untold()

    assert rest.add("Half a wo") == "Half a wo"
    assert rest.add("rd\nand") == "rd\nand"
