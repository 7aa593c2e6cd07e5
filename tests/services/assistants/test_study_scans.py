"""PDFs of pictures: their pages go to a model that sees, and are never passed over in silence."""

from dataclasses import replace
from typing import Any

import pytest

from services.assistants.study.context import MAX_IMAGES, Page, Upload
from services.llm.builtin import BuiltinEngine
from tests.services.assistants.study import PDF, PHOTO, Shelf, make_turn
from tests.services.assistants.test_study import Model, events, of, text_of

SCAN = Upload("media3", "scan.pdf", "pdf", "d" * 64, [Page(n, "") for n in (1, 2, 3)], True, (1, 2, 3))
LONG = Upload("media4", "long.pdf", "pdf", "e" * 64, [Page(n, "") for n in range(1, 30)], True, tuple(range(1, 17)))


@pytest.mark.req("U4", "D1-27")
def test_the_pages_of_a_scan_go_to_the_model_as_pictures() -> None:
    model = Model("A cell.")

    found = events(make_turn(uploads=[PHOTO, SCAN]), model, Shelf(PHOTO, SCAN))

    images = model.requests[0].messages[-1].images
    assert [image.name for image in images] == [
        "photo.jpg", "scan.pdf, page 1", "scan.pdf, page 2", "scan.pdf, page 3",
    ]  # fmt: skip
    assert [image.data for image in images[1:]] == [b"page 1", b"page 2", b"page 3"]
    assert "in this order: photo.jpg, scan.pdf, page 1" in model.requests[0].messages[-1].content
    assert text_of(found) == "A cell."
    assert not of(found, "metadata")[-1].get("unseen")


def test_pages_with_text_go_as_text_and_the_others_as_pictures() -> None:
    mixed = replace(PDF, pages=[*PDF.pages, Page(4, " ")], drawn=(4,))

    facts = make_turn(uploads=[mixed]).facts

    assert [entry["page"] for entry in facts["images"]] == [4]
    assert {entry["page"] for entry in facts["excerpts"]} == {1, 2, 3}
    assert (facts["unreadable"], facts["partly"]) == ([], [])


def test_of_a_long_scan_the_pages_that_are_asked_for_come_first_and_the_rest_is_told_of() -> None:
    model = Model("Well.")
    turn = make_turn("What is on page 12?", uploads=[LONG])

    found = events(turn, model, Shelf(LONG))

    assert [entry["page"] for entry in turn.facts["images"]] == [12, 1, 2, 3, 4, 5, 6, 7]
    assert len(model.requests[0].messages[-1].images) == MAX_IMAGES
    assert text_of(found).startswith("> long.pdf has more pages without text than go with one question")


@pytest.mark.parametrize("engine", [Model("No idea.", blind=True), BuiltinEngine(0)])
def test_a_scan_that_nobody_can_see_is_told_of_once(engine: Any) -> None:
    found = events(make_turn(uploads=[LONG, PHOTO]), engine, Shelf(LONG, PHOTO))

    first, second, *_ = text_of(found).split("\n\n")
    assert first.endswith("or attach it as a PDF or a text.")
    assert "photo.jpg" in first
    assert second.startswith("> There is no text in long.pdf that could be read, only pictures of pages")
    assert "cannot see" in second
    assert text_of(found).count("long.pdf") == 1
    assert of(found, "metadata")[-1]["unseen"] == ["photo.jpg", "long.pdf"]


def test_a_scan_whose_pages_could_not_be_drawn_is_told_of_as_before() -> None:
    found = events(make_turn(uploads=[replace(SCAN, drawn=())]), Model("Well."))

    assert text_of(found).startswith("> There is no text in scan.pdf that could be read; it may be a scan.")


def test_a_scan_that_is_gone_is_told_of() -> None:
    found = events(make_turn(uploads=[SCAN]), Model("Well."), Shelf())

    assert "cannot be read any more" in text_of(found)
