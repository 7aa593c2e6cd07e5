"""What is refused for a story, in the words of the adult's pages."""

from html import unescape

import pytest

from tests.blueprints.families import Family
from tests.blueprints.test_story_pages import ASK, HTML, HTMX, Parent, family, parent, shelf
from tests.blueprints.told import Shelf

__all__ = ["family", "parent", "shelf"]


@pytest.mark.slow
def test_an_idea_that_is_refused_is_told_once_and_in_the_words_of_the_page(
    family: Family, parent: Parent, shelf: Shelf
) -> None:
    first = shelf.tell()
    next_ = {
        "child_id": family.child.id,
        "theme": "forest",
        "story_session": first.story_id,
        "from_chapter": first.id,
        "chapter_number": 2,
    }

    piece = unescape(parent.send(ASK, 400, HTMX, **next_, custom_user_input="Mia shoots the bear with a gun").text)
    too_long = unescape(parent.send(ASK, 400, HTMX, **next_, custom_user_input="x" * 501).text)

    assert piece.count("Our stories") == 1
    assert "ustom user input" not in piece + too_long
    assert "The idea " in too_long
    assert "Mia shoots the bear" in parent.client.get("/stories/review", headers=HTML).text


@pytest.mark.slow
def test_what_was_held_back_is_sorted_in_words_that_a_parent_has(family: Family, parent: Parent) -> None:
    for category in ("avoid", "injection", "violence"):
        family.services.stories.refused(family.user_id, family.child.id, "custom_user_input", "words", category)
    review = unescape(parent.client.get("/stories/review", headers=HTML).text)
    for words in ("To be left out", "Not a story: directions or code", "Violence"):
        assert f"<strong>{words}</strong>" in review
