"""What stands around an answer of the search, and its pages on paper, on a phone and without script, in Chromium."""

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import sign_in
from tests.e2e.chats import answer, ended, shown, shows
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.searching import (
    DEPOSIT,
    FIRST,
    HALF,
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
    number,
    reader,
    ready,
    sources,
    stocked,
)
from tests.e2e.sites import Model, Site
from tests.e2e.visiting import serious

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

NARROW: Final = {**PHONE, "viewport": {"width": 360, "height": 740}}


# -- what stands below the answer


@pytest.mark.req("Q8", "Q12")
def test_the_page_explains_how_far_to_trust_an_answer_and_what_else_was_found(model: Model, search: Page) -> None:
    asked(search, model, FIRST)
    ended(search)

    trust = answer(search).locator(".trust")
    score = int(trust.locator("summary strong").inner_text())
    assert 0 < score <= 100
    trust.locator("summary").click()
    for part in ("Found", "Covered", "Agreeing"):
        expect(trust.get_by_text(part, exact=True)).to_be_visible()
    also = answer(search).locator(".also")
    also.locator("summary").click()
    cited = {place.inner_text() for place in sources(search).all()}
    assert also.get_by_role("listitem").count() + len(cited) == cards(search).count()
    also.get_by_role("link").first.click()
    expect(reader(search).locator("mark").first).to_be_visible()


@pytest.mark.req("Q1")
def test_a_follow_up_goes_on_in_the_thread(model: Model, search: Page) -> None:
    asked(search, model)
    ended(search)
    search.wait_for_url(re.compile(r"/search/\w+$"))
    place = search.url

    asked(search, model, "Eight weeks after the keys [1].", "And the deposit?")
    ended(search)

    assert search.url == place
    assert search.locator(".turn").count() == 2
    expect(cards(search).filter(has_text=DEPOSIT)).to_have_count(1)
    search.reload()
    expect(search.locator(".turn")).to_have_count(2)
    expect(search.get_by_role("heading", level=1)).to_have_text(QUESTION)


def test_the_question_is_asked_where_one_says(
    model: Model, ada: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    yard = stocked(ada, {"yard.txt": "Bicycles stand in the yard, at the wall."}, "The yard")
    hall = stocked(ada, {"hall.txt": "Bicycles do not stand in the hall."}, "The hall")
    page = sign_in(make_page(shared_site), ada)
    page.goto(SEARCH)
    for base_id in (yard, hall):
        ready(page, base_id, 1)
    page.goto(f"{SEARCH}?kb={yard}")
    expect(page.get_by_role("checkbox", name="The yard")).to_be_checked()

    asked(page, model, "In the yard [1].", "Where do bicycles stand?")
    ended(page)

    assert set(names(cards(page))) == {"yard.txt"}
    page.reload()
    expect(page.get_by_role("checkbox", name="The yard")).to_be_checked()
    page.get_by_role("checkbox", name="The yard").uncheck()
    page.get_by_role("checkbox", name="The hall").check()
    asked(page, model, "Not in the hall [1].", "And where do bicycles not stand?")
    ended(page)
    assert set(names(cards(page))) == {"hall.txt"}


def test_an_answer_is_copied_and_exported_with_its_sources(model: Model, search: Page, tmp_path: Any) -> None:
    search.context.grant_permissions(["clipboard-read", "clipboard-write"])
    asked(search, model)
    ended(search)

    search.get_by_role("group", name="About this answer").get_by_role("button", name="Copy").click()
    expect(search.get_by_role("button", name="Copied")).to_be_visible()
    copied = search.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("Three months are needed [1].")
    assert re.search(r"\n\nSources\n\[1\] handbook\.pdf, page 2.*: http://127\.0\.0\.1:\d+/search/documents/", copied)

    with search.expect_download() as download:
        search.get_by_role("link", name="Export").click()
    kept = tmp_path / "kept.md"
    download.value.save_as(kept)
    told = kept.read_text()
    assert f"# {QUESTION}" in told
    assert "Three months are needed [1]." in told
    assert re.search(r"- \[1\] handbook\.pdf, page 2.*: “.*three months notice", told)


def test_on_paper_the_answer_stands_with_its_sources(model: Model, search: Page) -> None:
    asked(search, model)
    ended(search)
    search.emulate_media(media="print")

    for left_out in (".chat__foot", ".answer__passages", ".actions", ".header", ".answer__related"):
        expect(search.locator(left_out).first).to_be_hidden()
    expect(sources(search).first).to_be_visible()
    assert box(search.locator(".chat"))["width"] > 1280 * 0.9


def test_what_can_be_typed_is_told_beside_the_question(search: Page) -> None:
    search.get_by_role("button", name="Search signs").click()
    expect(search.get_by_text("the word must not be there")).to_be_visible()

    search.keyboard.press("Escape")

    expect(search.get_by_text("the word must not be there")).to_be_hidden()


# -- nothing to find


@pytest.mark.req("Q12")
def test_what_nobody_wrote_about_is_not_answered(model: Model, search: Page) -> None:
    ask(search, "Which enzyme splits lactose in whales?")
    ended(search)

    assert model.calls() == []
    expect(answer(search).locator(".cite")).to_have_count(0)
    expect(answer(search).get_by_role("region", name="Sources")).to_have_count(0)


def test_a_newcomer_is_led_to_the_documents(ada: Account, make_page: Callable[..., Page], shared_site: Site) -> None:
    page = sign_in(make_page(shared_site), ada)
    page.goto("/")
    page.get_by_role("navigation", name="Site").get_by_role("link", name="Search").click()

    page.get_by_role("link", name="Add your first documents").click()

    page.wait_for_url("**/search/bases")
    page.get_by_role("link", name="Rill").click()
    expect(page.get_by_role("heading", name="Search")).to_be_visible()


def test_a_search_is_found_in_the_history(model: Model, search: Page) -> None:
    asked(search, model)
    ended(search)
    search.goto("/history?assistant=search")
    search.locator(".past__link").first.click()

    search.wait_for_url(re.compile(r"/search/\w+$"))
    assert shown(search).startswith("Three months are needed")


# -- everybody


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, NARROW], ids=["desktop", "phone"])
def test_nothing_that_happens_there_keeps_anybody_out_or_is_wider_than_the_screen(
    size: dict[str, Any],
    scheme: Any,
    model: Model,
    tenant: Account,
    make_page: Callable[..., Page],
    shared_site: Site,
) -> None:
    page = sign_in(make_page(shared_site, **size), tenant)
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found: list[Any] = []

    def look(where: str) -> None:
        found.extend((where, *violation) for violation in serious(page))
        width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width == 0, where

    page.goto(SEARCH)
    page.wait_for_load_state()
    look("new")
    asked(page, model, stall_after=8)
    shows(page, HALF)
    look("streaming")
    model.release()
    ended(page)
    for details in page.locator(".trust, .also").all():
        details.evaluate("(element) => { element.open = true }")
    look("ended")
    number(page, 1).click()
    expect(reader(page).locator("mark").first).to_be_visible()
    look("reader")
    page.keyboard.press("Escape")
    page.goto(sources(page).first.locator("a").get_attribute("href") or "")
    look("document")

    assert found == []


def test_on_a_phone_the_passage_comes_up_over_the_page_and_goes_again(
    model: Model, tenant: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    phone = sign_in(make_page(shared_site, **NARROW), tenant)
    phone.goto(SEARCH)
    asked(phone, model)
    ended(phone)

    number(phone, 1).tap()
    expect(reader(phone).locator("mark").first).to_be_in_viewport()
    place = box(reader(phone))
    assert place["x"] == 0
    assert place["width"] == 360
    assert place["y"] + place["height"] == 740
    for button in reader(phone).get_by_role("button").all():
        assert box(button)["height"] >= 44, button
    reader(phone).get_by_role("button", name="Close").tap()

    expect(reader(phone)).to_be_hidden()


@pytest.mark.req("Q6", "Q9")
def test_without_script_passages_come_first_and_numbers_lead_to_the_highlight(
    model: Model, tenant: Account, make_page: Callable[..., Page], shared_site: Site
) -> None:
    page = sign_in(make_page(shared_site, java_script_enabled=False), tenant)
    page.goto(SEARCH)
    model.play(text=TEXT, stall_after=9)
    page.get_by_label("Your question", exact=True).fill(QUESTION)
    page.get_by_role("button", name="Send").click(no_wait_after=True)
    expect(page.locator(".passage").first).to_contain_text(NOTICE)
    expect(page.get_by_text(HALF)).to_be_visible()
    model.release()
    expect(page.get_by_role("region", name="Sources").get_by_role("listitem")).to_have_count(2)

    page.get_by_role("link", name="Source 1", exact=True).first.click()
    assert page.url.endswith("-source-1")
    page.get_by_role("link", name="Back to").last.click()
    assert shown(page).startswith("Three months are needed")
    sources(page).first.get_by_role("link").click()
    assert NOTICE in highlighted(page)
