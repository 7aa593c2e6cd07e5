"""The search in Chromium: files, a question, its passages, a number, the highlight; and nobody else finds any of it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import sign_in, words
from tests.e2e.chats import answer, ended, shown, shows
from tests.e2e.clients import Account
from tests.e2e.searching import (
    HALF,
    LAST,
    NOTICE,
    QUESTION,
    SEARCH,
    TEXT,
    ask,
    asked,
    box,
    cards,
    highlighted,
    names,
    new_base,
    number,
    put_in,
    reader,
    sources,
)
from tests.e2e.sites import Model, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


# -- from the files to the highlight


@pytest.mark.req("Q1", "Q4", "Q18")
def test_three_files_a_question_its_passages_a_number_and_the_highlight(model: Model, search: Page) -> None:
    asked(search, model, stall_after=6)
    shows(search, HALF)

    # Passages first: they are read while the answer has hardly begun.
    expect(cards(search).first).to_be_visible()
    assert NOTICE in words(cards(search).first.inner_text())
    assert names(cards(search))[0] == "handbook.pdf"
    expect(answer(search).locator(".outcome")).to_have_count(0)
    model.release()
    ended(search)

    assert shown(search).startswith("Three months are needed")
    assert "[" not in shown(search), "numbers stand as such, not in brackets"
    expect(sources(search)).to_have_count(2)
    expect(sources(search).first).to_contain_text("handbook.pdf")
    expect(sources(search).first).to_contain_text("page 2")
    expect(cards(search).first.locator(".passage__number")).to_contain_text("1")
    number(search, 1).click()
    expect(reader(search)).to_be_visible()
    expect(reader(search).locator("mark").first).to_be_in_viewport()
    assert NOTICE in highlighted(reader(search))
    expect(reader(search)).to_contain_text("Page 2 of 2")

    reader(search).get_by_role("link", name="Open the document").click()
    expect(search.get_by_role("heading", level=1)).to_have_text("handbook.pdf")
    assert NOTICE in highlighted(search)
    expect(search.locator("#passage")).to_be_in_viewport()


@pytest.mark.req("Q5", "Q2")
def test_a_reload_in_mid_answer_shows_all_that_came_and_goes_on(model: Model, search: Page) -> None:
    asked(search, model, stall_after=8)
    shows(search, HALF)
    before = cards(search).all_inner_texts()

    search.reload()
    shows(search, HALF)
    assert cards(search).all_inner_texts() == before
    model.release()
    ended(search)
    live, heard = shown(search), sources(search).all_inner_texts()
    search.reload()

    assert live.endswith(LAST)
    assert shown(search) == live
    assert sources(search).all_inner_texts() == heard
    assert len(model.calls()) == 1


@pytest.mark.req("Q10")
def test_another_person_finds_none_of_it(
    model: Model, search: Page, ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    asked(search, model)
    ended(search)
    thread = search.url
    document = sources(search).first.locator("a").get_attribute("href")
    search.goto("/search/bases")
    base = search.get_by_role("link", name="Housing").get_attribute("href")
    stranger = sign_in(make_page(shared_site), ada)

    for path in (thread, document, base):
        assert path
        refused = stranger.goto(path)
        assert refused
        assert refused.status == 404
        assert NOTICE not in words(stranger.content())
    new_base(stranger, "My own")
    put_in(stranger, ("other.txt", "text/plain", b"Bicycles stand in the yard, not in the hall."))
    stranger.goto(SEARCH)
    expect(stranger.locator(".scopes")).not_to_contain_text("Housing")
    model.reset()
    ask(stranger, QUESTION)
    ended(stranger)

    assert NOTICE not in words(stranger.locator("#turns").inner_text())
    assert set(names(cards(stranger))) <= {"other.txt"}


# -- still


@pytest.mark.req("Q1")
def test_nothing_moves_from_the_question_to_the_end(model: Model, search: Page) -> None:
    model.play(text=TEXT, stall_after=6)
    ask(search, QUESTION)
    question, foot = search.locator(".turn__question"), search.locator("#ask")
    expect(cards(search).first).to_be_visible()
    shows(search, HALF)
    first = answer(search).get_by_text(HALF)
    places = [(box(question), box(foot), box(cards(search).first), box(first)["y"])]

    model.release()
    ended(search)
    expect(sources(search)).to_have_count(2)
    places.append((box(question), box(foot), box(cards(search).first), box(first)["y"]))

    assert places == [places[0]] * 2


def test_the_reader_beside_the_answer_moves_nothing_and_covers_no_word(model: Model, search: Page) -> None:
    search.set_viewport_size({"width": 1280, "height": 900})
    asked(search, model)
    ended(search)
    text = answer(search).locator(".answer__body")
    before = box(text)

    number(search, 1).click()
    expect(reader(search).locator("mark").first).to_be_visible()

    assert box(text) == before
    right = text.evaluate(
        """(body) => {
          const range = document.createRange()
          range.selectNodeContents(body)
          return Math.max(...[...range.getClientRects()].map((line) => line.right))
        }"""
    )
    assert right <= box(reader(search))["x"]


# -- keys


@pytest.mark.req("Q4")
def test_by_keys_a_number_opens_the_next_source_follows_and_the_focus_comes_back(model: Model, search: Page) -> None:
    asked(search, model)
    ended(search)
    number(search, 1).focus()
    search.keyboard.press("Enter")
    expect(reader(search).get_by_role("heading", name="handbook.pdf")).to_be_focused()
    expect(reader(search).locator("mark").first).to_be_visible()
    expect(reader(search)).to_contain_text("1 of 2")

    reader(search).get_by_role("button", name="Source after").press("Enter")
    expect(reader(search)).to_contain_text("2 of 2")
    expect(reader(search).get_by_role("button", name="Source after")).to_be_disabled()
    search.keyboard.press("Escape")

    expect(reader(search)).to_be_hidden()
    expect(number(search, 1)).to_be_focused()


def test_escape_closes_the_reader_first_and_stops_the_answer_then(model: Model, search: Page) -> None:
    asked(search, model, stall_after=8)
    shows(search, HALF)
    cards(search).first.get_by_role("link").click()
    expect(reader(search).locator("mark").first).to_be_visible()

    search.keyboard.press("Escape")
    expect(reader(search)).to_be_hidden()
    expect(answer(search).locator(".waiting")).to_be_visible()
    search.keyboard.press("Escape")

    ended(search, "stopped")


def test_a_number_opens_its_passage_while_the_answer_is_being_written(model: Model, search: Page) -> None:
    asked(search, model, stall_after=8)
    shows(search, HALF)
    expect(number(search, 1)).to_be_visible()

    number(search, 1).click()

    expect(reader(search).locator("mark").first).to_be_visible()
    assert NOTICE in highlighted(reader(search))
