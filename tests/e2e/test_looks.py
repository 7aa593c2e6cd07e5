"""How the pages look and behave: still, in reach, quiet, on a phone, in the dark and without script."""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browsing import sign_in, until, words
from tests.e2e.chats import PROBLEM, QUESTION, ask, composer, ended, shown, shows
from tests.e2e.clients import Account
from tests.e2e.conftest import PASSWORD, PHONE
from tests.e2e.sites import Model, Site, prose
from tests.e2e.studying import STUDY
from tests.e2e.visiting import PUBLIC, Storied, visits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90)]


def box(locator: Locator) -> dict[str, float]:
    """Where an element is, in whole pixels."""
    found = locator.bounding_box()
    assert found
    return {name: round(value) for name, value in found.items()}


# -- nothing jumps


@pytest.mark.req("T3")
def test_the_composer_stays_where_it_is(model: Model, chat: Page) -> None:
    ask(chat)  # the first question opens what the ladder says of its lock
    ended(chat)
    places = [box(chat.locator("#ask"))]

    model.play(text=prose(60), stall_after=20)
    ask(chat)
    places.append(box(chat.locator("#ask")))
    shows(chat, words(prose(60))[:40])
    places.append(box(chat.locator("#ask")))
    model.release()
    ended(chat)
    places.append(box(chat.locator("#ask")))

    assert places == [places[0]] * 4


@pytest.mark.req("T3")
def test_finished_blocks_and_the_end_of_an_answer_move_nothing(model: Model, chat: Page) -> None:
    text = "A first block.\n\nA second block.\n\n" + prose(30)
    model.play(text=text, stall_after=25)
    ask(chat)
    first, status = chat.get_by_text("A first block."), chat.locator(".answer__status")
    shows(chat, "A second block.")
    before = box(first)

    model.release()
    until(chat, lambda: words(text) == shown(chat))
    ended(chat)

    assert box(first) == before
    assert box(status)["height"] >= 44, "the line that told what was waited for keeps its place"


@pytest.mark.req("T38", "D1-7")
def test_who_has_scrolled_up_is_left_in_peace(model: Model, chat: Page) -> None:
    log = chat.locator("#chat-log")
    model.play(text=prose(400))
    ask(chat)
    ended(chat)
    model.play(text=prose(300, seed=2), pace_s=0.01)
    ask(chat)
    shows(chat, words(prose(300, seed=2))[:60])

    log.hover()
    chat.mouse.wheel(0, -400)
    until(chat, lambda: log.evaluate("(box) => box.scrollHeight - box.clientHeight - box.scrollTop") > 200)
    chat.wait_for_function(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    )
    top = log.evaluate("(box) => box.scrollTop")
    ended(chat)

    assert log.evaluate("(box) => box.scrollTop") == top
    chat.get_by_role("button", name="Latest").click()
    until(chat, lambda: log.evaluate("(box) => box.scrollHeight - box.clientHeight - box.scrollTop") < 2)


@pytest.mark.req("T38", "D1-7")
def test_an_answer_is_followed_as_it_grows(model: Model, chat: Page) -> None:
    model.play(text=prose(600), pace_s=0.005)
    ask(chat)
    shows(chat, words(prose(600))[-400:])

    log = chat.locator("#chat-log")
    until(chat, lambda: log.evaluate("(box) => box.scrollHeight - box.clientHeight - box.scrollTop") < 60)
    assert log.evaluate("(box) => box.scrollTop") > 0


# -- what a newcomer finds


def test_an_empty_conversation_shows_how_to_begin(study: Page) -> None:
    starters = study.locator(".chat__starters a")
    expect(starters).to_have_count(3)
    for starter in starters.all():
        expect(starter).to_be_visible()
    study.goto(PROBLEM)
    first = study.get_by_role("button", name="Give me a first hint")
    expect(first).to_be_visible()

    first.click()
    ended(study)

    expect(first).to_be_hidden()


# -- on paper


@pytest.mark.parametrize("width", [720, 1280])
def test_on_paper_a_conversation_has_the_whole_sheet(width: int, model: Model, study: Page) -> None:
    model.play(text=prose(60))
    ask(study)
    ended(study)
    study.set_viewport_size({"width": width, "height": 900})
    study.emulate_media(media="print")

    assert box(study.locator(".chat"))["width"] > width * 0.9
    assert box(study.locator(".answer__body"))["width"] > 500
    for left_out in (".study__history", ".chat__foot", ".header"):
        expect(study.locator(left_out)).to_be_hidden()
    study.goto(PROBLEM)
    expect(study.locator(".problem__mine")).to_be_hidden()


# -- every page


@pytest.mark.timeout(600)  # some forty pages
def test_no_page_scrolls_sideways_on_a_phone(
    storied: Storied, make_page: Callable[..., Page], shared_site: Site
) -> None:
    wide = []
    phone, stranger = sign_in(make_page(shared_site, **PHONE), storied.account), make_page(shared_site, **PHONE)
    for page, paths in ((phone, storied.pages), (stranger, PUBLIC)):
        for path, _ in visits(page, paths):
            widths = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
            wide += [(path, width) for width in widths if width > 390]

    assert wide == []


@pytest.mark.req("T38")
def test_what_one_can_press_is_large_enough_on_a_phone(
    storied: Storied, make_page: Callable[..., Page], shared_site: Site
) -> None:
    phone = sign_in(make_page(shared_site, **PHONE), storied.account)
    phone.goto(PROBLEM)

    for button in phone.locator(".composer button, .ladder__quick button, .outcome__actions button").all():
        if button.is_visible():
            assert box(button)["height"] >= 44, button


NARROW: Final = {**PHONE, "viewport": {"width": 360, "height": 740}}


def test_the_narrow_header_has_room_for_what_is_unread(
    ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    phone = sign_in(make_page(shared_site, **NARROW), ada)
    phone.route("**/history/unread", lambda route: route.fulfill(json={"unread": 12, "running": False}))
    phone.goto("/account")
    expect(phone.locator(".unread")).to_have_text("9+ unread")
    expect(phone).to_have_title("(12) Account · Rill")

    parts = [box(part) for part in phone.locator(".header a, .header button").all() if part.is_visible()]
    parts.sort(key=lambda part: part["x"])
    for left, right in pairwise(parts):
        assert left["x"] + left["width"] <= right["x"] + 1, (left, right)
    assert parts[-1]["x"] + parts[-1]["width"] <= 360


def asked_low(model: Model, phone: Page, place: str) -> Page:
    """A phone's page with an answer, above a keyboard."""
    phone.goto(place)
    model.play(text=prose(200))
    ask(phone)
    ended(phone)
    phone.set_viewport_size({"width": 360, "height": 420})
    return phone


def test_above_a_keyboard_the_conversation_keeps_half_of_the_screen(
    model: Model, ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    phone = asked_low(model, sign_in(make_page(shared_site, **NARROW), ada), STUDY)
    foot = phone.locator(".chat__foot")

    assert box(foot)["height"] <= 210
    more = phone.get_by_role("button", name="Files, length, ways on")
    more.click()
    expect(phone.get_by_role("button", name="Add files")).to_be_visible()
    expect(phone.get_by_role("button", name="Simpler")).to_be_visible()
    more.click()
    assert box(foot)["height"] <= 210
    phone.set_viewport_size({"width": 360, "height": 740})
    expect(phone.get_by_role("button", name="Simpler")).to_be_visible()
    expect(more).to_be_hidden()


def test_above_a_keyboard_the_tutors_conversation_keeps_half_of_the_screen(
    model: Model, ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    phone = asked_low(model, sign_in(make_page(shared_site, **NARROW), ada), PROBLEM)

    assert box(phone.locator(".chat__foot"))["height"] <= 210
    phone.get_by_role("button", name="Hint, quick replies").click()
    expect(phone.get_by_text("Nudge", exact=True)).to_be_visible()
    expect(phone.get_by_role("button", name="Bigger hint")).to_be_visible()


def test_details_are_seen_when_they_open(model: Model, study: Page) -> None:
    model.play(text=prose(500))
    ask(study)
    ended(study)
    study.locator(".details summary").click()

    expect(study.locator(".details__list")).to_be_in_viewport(ratio=0.95)


# -- the theme


def test_the_theme_is_switched_and_kept(chat: Page) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = chat.evaluate(paper)

    chat.get_by_role("button", name="Switch between light and dark").click()
    dark = chat.evaluate(paper)
    assert dark != light
    served = chat.goto("/account")

    assert served
    assert 'data-theme="dark"' in served.text(), "the first paint must have it"
    assert chat.evaluate(paper) == dark
    chat.get_by_role("button", name="Switch between light and dark").click()
    assert chat.evaluate(paper) == light


# -- who listens


@pytest.mark.req("T38", "R30", "D1-8")
def test_screen_readers_hear_the_bounds_of_an_answer_only(model: Model, chat: Page) -> None:
    chat.evaluate(
        """() => {
          window.said = []
          const region = document.getElementById("announcer")
          new MutationObserver(() => said.push(region.textContent)).observe(region, { childList: true })
        }"""
    )
    model.play(text=prose(50), pace_s=0.01)
    ask(chat)
    expect(chat.get_by_role("log", name="Answer")).to_have_attribute("aria-live", "off")
    ended(chat)

    assert chat.evaluate("said") == ["Generating answer", "Answer complete"]


# -- without script


@pytest.mark.req("T41", "T2", "R23")
def test_without_script_a_newcomer_reads_the_hint_as_it_comes(
    model: Model, make_page: Callable[..., Page], shared_site: Site
) -> None:
    text = "A first block.\n\nA second block.\n\n" + prose(40)
    page = make_page(shared_site, java_script_enabled=False)
    page.goto("/")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("E-mail").fill("plain@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("link", name="Open the tutor").click()
    page.get_by_role("link", name="The odd sock").click()

    model.play(text=text, stall_after=25)
    composer(page).fill(QUESTION)
    page.get_by_role("button", name="Send").click(no_wait_after=True)
    expect(page.get_by_text("A first block.")).to_be_visible()
    expect(page.get_by_text("A second block.")).to_be_visible()
    model.release()
    page.get_by_role("link", name="Back to The odd sock").last.click()

    expect(page.get_by_text("A first block.")).to_be_visible()
    assert shown(page) == words(text)
    expect(page.locator(".turn__question")).to_have_text(QUESTION)


@pytest.mark.req("T41", "T9")
def test_without_script_an_answer_can_be_stopped_and_continued(
    model: Model, ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    page = sign_in(make_page(shared_site, java_script_enabled=False), ada)
    page.goto(PROBLEM)
    model.play(text="A first block.\n\nA second block.\n\n" + prose(40), stall_after=25)
    composer(page).fill(QUESTION)
    page.get_by_role("button", name="Send").click(no_wait_after=True)
    expect(page.get_by_text("A second block.")).to_be_visible()

    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped. What came is kept.")).to_be_visible()
    model.play(text=" and so it goes on.")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("and so it goes on.")).to_be_visible()
    page.get_by_role("link", name="Back to").last.click()

    expect(page.get_by_role("heading", level=1)).to_have_text("The odd sock")
    assert page.locator(".answer").count() == 1
    assert shown(page).endswith("and so it goes on.")
