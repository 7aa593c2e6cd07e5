"""A long conversation in Chromium: its end, what stands before it, and what a search leads to; stars and questions."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import sign_in
from tests.e2e.chats import answer, ask, ended, shown, shows
from tests.e2e.clients import Account
from tests.e2e.sites import Model, Site
from tests.e2e.studying import QUESTION, STUDY, turns

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TURNS: Final = 130
WRITTEN: Final = "Air scatters blue light most.\n\n<<<NEXT>>>\nWhy is it red at dusk?\nWhat is scattering?\n"


def lengthened(site: Site, conversation_id: str) -> None:
    """Put many turns behind the first one, as if they had been asked over months."""
    with contextlib.closing(sqlite3.connect(site.data_dir / "rill.sqlite3", timeout=20)) as database:
        find = "SELECT id, created_at FROM messages WHERE conversation_id = ? ORDER BY position DESC LIMIT 1"
        parent, at = database.execute(find, (conversation_id,)).fetchone()
        turn = json.dumps({"question": "?", "facts": {}})
        for number in range(2, TURNS + 1):
            asked, told = (f"{conversation_id[-14:]}{role}{number:011}" for role in "QA")
            same = (conversation_id, at)
            database.execute(
                "INSERT INTO messages (id, conversation_id, created_at, position, role, content, fallback, parent_id)"
                " VALUES (?, ?, ?, ?, 'user', ?, 0, ?)",
                (asked, *same, 2 * number - 2, f"Question {number}?", parent),
            )
            database.execute(
                "INSERT INTO messages (id, conversation_id, created_at, position, role, content, fallback, parent_id,"
                " outcome, engine, stream_id, turn, extras, finished_at)"
                " VALUES (?, ?, ?, ?, 'assistant', ?, 0, ?, 'completed', 'built-in', ?, ?, '{}', ?)",
                (told, *same, 2 * number - 1, f"Answer {number}.", asked, told, turn, at),
            )
            parent = told
        moved = "UPDATE conversations SET head_id = ?, length = ? WHERE id = ?"
        database.execute(moved, (parent, 2 * TURNS, conversation_id))
        database.commit()


@pytest.fixture
def long(model: Model, ada: Account, shared_site: Site, make_page: Callable[..., Page]) -> Page:
    """A page that shows the end of a long conversation."""
    page = sign_in(make_page(shared_site), ada)
    page.goto(STUDY)
    model.play(text="The needle lies in the first answer.")
    ask(page, "Question 1?")
    ended(page)
    page.wait_for_url(re.compile(r"/study/\w+"))
    lengthened(shared_site, page.url.rsplit("/", 1)[1])
    page.reload()
    page.wait_for_load_state()
    return page


def numbers(page: Page) -> list[int]:
    """Which of the made questions are shown."""
    return [int(re.findall(r"\d+", question)[0]) for question in turns(page)]


@pytest.mark.req("D1-7")
def test_earlier_turns_are_put_in_without_moving_what_is_read(long: Page) -> None:
    assert numbers(long) == list(range(91, 131))
    link = long.get_by_role("link", name="Show earlier")
    link.scroll_into_view_if_needed()
    first = long.locator(".turn").first
    before = first.bounding_box()
    assert before

    link.press("Enter")
    expect(long.locator(".turn")).to_have_count(80)

    assert numbers(long) == list(range(51, 131))
    moved = long.locator(".turn", has_text="Question 91?").first.bounding_box()
    assert moved
    assert abs(moved["y"] - before["y"]) < 3
    expect(long.locator(".turn", has_text="Question 90?").first).to_be_focused()
    long.get_by_role("link", name="Show earlier").click()
    expect(long.locator(".turn")).to_have_count(120)
    long.get_by_role("link", name="Show earlier").click()
    expect(long.locator(".turn")).to_have_count(TURNS)
    expect(long.get_by_role("link", name="Show earlier")).to_have_count(0)


def test_a_question_after_earlier_turns_were_put_in_stands_at_the_end(long: Page, model: Model) -> None:
    long.get_by_role("link", name="Show earlier").click()
    expect(long.locator(".turn")).to_have_count(80)
    model.play(text="At the end.")

    ask(long, "And now?")

    shows(long, "At the end.")
    assert turns(long)[-2:] == ["Question 130?", "And now?"]


@pytest.mark.req("D1-9", "D2-10")
def test_a_search_leads_to_the_turn_that_it_found(long: Page) -> None:
    long.goto("/history?q=needle")
    long.locator(".past__link").click()
    long.wait_for_url("**at=*#at")

    expect(long.locator("#at")).to_be_in_viewport()
    expect(long.locator("#at")).to_contain_text("The needle lies")
    assert numbers(long) == list(range(1, 41))
    expect(long.locator("#message")).to_have_count(0)
    long.get_by_role("link", name="Show later").click()
    expect(long.locator(".turn")).to_have_count(80)
    expect(long.locator("#at")).to_contain_text("The needle lies")
    long.get_by_role("link", name="Go to the end to write").click()
    expect(long.locator("#message")).to_be_visible()
    assert numbers(long)[-1] == TURNS


def test_without_script_earlier_and_later_turns_are_pages(
    long: Page, ada: Account, shared_site: Site, make_page: Callable[..., Page]
) -> None:
    plain = sign_in(make_page(shared_site, java_script_enabled=False), ada)
    plain.goto(long.url)

    plain.get_by_role("link", name="Show earlier").click()
    assert numbers(plain) == list(range(51, 91))
    plain.get_by_role("link", name="Show later").click()
    assert numbers(plain) == list(range(91, 131))


@pytest.mark.req("B4")
def test_an_answer_gets_a_star_and_is_found_by_it(long: Page, model: Model) -> None:
    model.play(text="Worth keeping.")
    ask(long, "What is worth keeping?")
    ended(long)
    star = answer(long).get_by_role("button", name="Bookmark")
    star.press("Enter")
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()

    long.goto("/history")
    long.get_by_label("Bookmarked answers only").check()
    long.get_by_role("button", name="Search").click()
    expect(long.locator(".past__snippet")).to_have_text(["Worth keeping."])
    long.locator(".past__link").click()
    expect(long.locator("#at")).to_contain_text("Worth keeping.")
    star = long.locator("#at").get_by_role("button", name="Bookmark")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")
    long.goto("/history?bookmarked=1")
    expect(long.get_by_text("Nothing is bookmarked.")).to_be_visible()


@pytest.mark.req("D2-9")
def test_a_models_questions_are_buttons_and_no_part_of_the_answer(model: Model, study: Page) -> None:
    model.play(text=WRITTEN)
    ask(study, QUESTION)
    ended(study)
    related = study.get_by_role("region", name="Related questions")
    expect(related.get_by_role("button")).to_have_text(["Why is it red at dusk?", "What is scattering?"])
    assert shown(study) == "Air scatters blue light most."

    model.play(text="Its way is longer then.")
    related.get_by_role("button", name="Why is it red at dusk?").press("Enter")
    shows(study, "Its way is longer then.")
    ended(study)

    assert turns(study) == [QUESTION, "Why is it red at dusk?"]
    expect(related).to_be_hidden()
