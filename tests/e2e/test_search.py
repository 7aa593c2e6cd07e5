"""The search in Chromium: files, a question, its passages, a number, the highlight; and nobody else finds any of it."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browsing import Watch, sign_in, words
from tests.e2e.chats import answer, ended, shown, shows
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.searching import (
    DEPOSIT,
    FILES,
    NOTICE,
    QUESTION,
    SEARCH,
    ask,
    cards,
    highlighted,
    names,
    new_base,
    number,
    put_in,
    reader,
    ready,
    sources,
    stocked,
)
from tests.e2e.sites import Model, Site
from tests.e2e.visiting import serious

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

FIRST: Final = "Three months are needed [1]."
HALF: Final = "Three months are needed"
LAST: Final = "That is all there is to it."
TEXT: Final = f"{FIRST}\n\nIt is given in writing [1], and what was said in May changes nothing [2].\n\n{LAST}"
NARROW: Final = {**PHONE, "viewport": {"width": 360, "height": 740}}


@pytest.fixture(scope="module")
def tenant(shared_site: Site, browser: Any) -> Account:
    """Somebody who has put three files in, through the page."""
    account = Account(shared_site)
    context = browser.new_context(base_url=f"http://127.0.0.1:{shared_site.port}")
    page = sign_in(context.new_page(), account)
    watch = Watch(page)
    new_base(page)
    put_in(page, *FILES)
    assert watch.complaints == []
    context.close()
    return account


@pytest.fixture
def search(make_page: Callable[..., Page], shared_site: Site, tenant: Account) -> Iterator[Page]:
    """The tenant's page of a new search; nothing may be complained about or reached for."""
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, tenant)
    page.goto(SEARCH)
    page.wait_for_load_state()
    yield page
    assert watch.complaints == []
    assert watch.foreign == []


def box(locator: Locator) -> dict[str, float]:
    """Where an element is, in whole pixels."""
    found = locator.bounding_box()
    assert found
    return {name: round(value) for name, value in found.items()}


def asked(page: Page, model: Model, text: str = TEXT, question: str = QUESTION, **script: Any) -> None:
    """Ask, and have it answered so."""
    model.play(text=text, **script)
    ask(page, question)


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
