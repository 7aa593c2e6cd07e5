"""Which turns of a conversation are shown: the last ones, or those at a place of it."""

import pytest

from services import errors
from services.store.paths import Tree
from services.store.windows import Place, Window, window


def chain(turns: int) -> Tree:
    """Questions q0, q1, ... with their answers a0, a1, ..., each after the one before."""
    order = [f"{role}{number}" for number in range(turns) for role in "qa"]
    return Tree(dict(zip(order, [None, *order], strict=False)), {one for one in order if one[0] == "q"})


def test_the_last_turns_are_shown_unless_a_place_is_named() -> None:
    assert window(chain(5), "a4", Place(), 2) == Window(["q3", "a3", "q4", "a4"], 3, 0)
    assert window(chain(2), "a1", Place(), 9) == Window(["q0", "a0", "q1", "a1"], 0, 0)
    assert window(chain(0), None, Place(), 9) == Window([], 0, 0)


@pytest.mark.parametrize(
    ("place", "ids", "earlier", "later"),
    [
        (Place("before", "q3"), ["q1", "a1", "q2", "a2"], 1, 6),
        (Place("before", "a3"), ["q1", "a1", "q2", "a2"], 1, 6),
        (Place("before", "q0"), [], 0, 9),
        (Place("after", "q3"), ["q4", "a4", "q5", "a5"], 4, 3),
        (Place("after", "q8"), [], 9, 0),
        (Place("at", "a1"), ["q0", "a0", "q1", "a1"], 0, 7),
        (Place("at", "q6"), ["q5", "a5", "q6", "a6"], 5, 2),
    ],
)
def test_a_place_says_which_turns(place: Place, ids: list[str], earlier: int, later: int) -> None:
    assert window(chain(9), "a8", place, 2) == Window(ids, earlier, later)


def test_the_turn_that_was_asked_for_stands_below_a_few_others() -> None:
    shown = window(chain(50), "a49", Place("at", "q20"), 10)

    assert (shown.ids[0], shown.ids[-1], shown.earlier, shown.later) == ("q16", "a25", 16, 24)


def test_a_message_of_another_path_is_shown_on_its_own_down_to_its_newest_end() -> None:
    tree = chain(2)
    other = Tree({**tree.parents, "q1b": "a0", "a1b": "q1b"}, {*tree.questions, "q1b"})

    assert window(other, "a1b", Place("at", "q1"), 9) == Window(["q0", "a0", "q1", "a1"], 0, 0, is_aside=True)
    assert window(other, "a1b", Place("at", "q0"), 9).is_aside is False


def test_a_place_in_another_conversation_is_unknown() -> None:
    with pytest.raises(errors.NotFound):
        window(chain(2), "a1", Place("at", "q9"), 9)


def test_an_answer_without_a_question_is_a_turn_of_its_own_and_parts_of_one_belong_together() -> None:
    tree = Tree({"a0": None, "more0": "a0", "q1": "more0", "a1": "q1", "more1": "a1"}, {"q1"})

    assert window(tree, "more1", Place(), 1) == Window(["q1", "a1", "more1"], 1, 0)
    assert window(tree, "more1", Place("before", "q1"), 1) == Window(["a0", "more0"], 0, 1)


def test_rows_that_hang_together_in_a_ring_have_an_end() -> None:
    assert Tree({"a": "b", "b": "a"}, set()).path("a") == ["b", "a"]
