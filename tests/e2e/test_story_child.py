"""The child's screen in Chromium: nothing leads out of it, and a story is read on it as a child reads."""

import re
from collections.abc import Callable
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watch, sign_in, words
from tests.e2e.clients import Account
from tests.e2e.nursery import (
    PIN,
    SHELF,
    SMALL_PHONE,
    TABLET,
    begin,
    hand_over,
    leave,
    open_nursery,
    read_to_its_end,
    shown,
)
from tests.e2e.sites import Site, eventually
from tests.e2e.visiting import serious

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

# How far a page is wider than its window.
_OVERFLOW: Final = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_SMALL: Final = """() => [...document.querySelectorAll("a, button, select, summary, textarea, input")]
  .filter((it) => it.offsetParent && !it.classList.contains("skip-link"))
  .map((it) => [it.textContent.trim() || it.name, it.getBoundingClientRect().height])
  .filter(([, height]) => height < 40)"""
# What a page can ask for by itself, and how it is answered.
_FETCHED: Final = """async (asked) => {
  const token = document.querySelector("meta[name=csrf-token]").content
  const headers = { "X-CSRF-Token": token, Accept: "application/json" }
  return Promise.all(asked.map(async ([method, path]) => {
    const response = await fetch(path, { method, headers })
    return [response.status, (await response.json()).code]
  }))
}"""
_ADULTS: Final = (
    ("GET", "/api/conversations"),
    ("GET", "/api/v1/children"),
    ("GET", "/account/export"),
    ("POST", "/logout"),
    ("POST", "/api/auth/tokens"),
    ("POST", "/account/sessions/delete-all"),
    ("DELETE", "/api/streams/x"),
    ("GET", "/api/streams"),
)
# As the page does when it is opened before the bedtime comes.
_TEN_MINUTES_BEFORE: Final = """async () => {
  const shelf = document.querySelector(".shelf")
  shelf.dataset.bedtimeIn = "600"
  const { attach } = await import("/static/js/story-bedtime.js")
  attach(shelf)
}"""


@pytest.mark.req("Y11", "D1-20")
def test_a_story_from_the_profile_to_its_second_chapter_with_a_reload(
    make_page: Callable[..., Page], make_site: Callable[..., Site]
) -> None:
    site = make_site(BUILTIN_PACE_MS="25", STORIES_RATE_LIMIT="1000/minute")
    page = make_page(site, **TABLET)
    watch = Watch(page)
    account = Account(site)
    sign_in(page, account)
    page.goto("/stories")
    page.get_by_label("Name or nickname").fill("Mia")
    page.locator("select[name=age]").select_option("7")
    page.get_by_role("button", name="Make the profile").click()
    page.wait_for_load_state()
    hand_over(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Mia!")

    begin(page)
    expect(page.locator("[data-progress-words]")).not_to_be_empty()
    read_to_its_end(page)
    first = page.url
    choice = page.locator(".choices .big-button").first
    chosen = choice.inner_text()
    choice.click()
    page.wait_for_url(lambda url: url.endswith("#chapter-2"))
    shown(page).first.wait_for()
    opening = shown(page).first.inner_text()
    assert page.locator("#next .choices").count() == 0, "needs a chapter that is still being told"
    page.reload()

    expect(shown(page).first).to_have_text(opening)
    read_to_its_end(page)
    told = [words(text) for text in page.locator(".story__p").all_inner_texts()]
    story = account.call("GET", "/api/v1/stories").json["stories"][0]
    tree = account.call("GET", f"/api/v1/stories/{story['id']}").json
    assert f"/stories/child/{story['id']}" in first
    second = next(one for one in tree["chapters"] if one["id"] == tree["path"][1])
    assert (second["chapter_number"], second["choice"], len(tree["path"])) == (2, chosen, 2)
    kept = account.call("GET", f"/api/conversations/{story['id']}").json["messages"][-1]["content"]
    assert [words(part) for part in re.split(r"\n{2,}", kept) if part.strip()] == told
    assert (watch.complaints, watch.foreign) == ([], [])


@pytest.mark.req("D1-22")
def test_nothing_leads_out_without_the_pin(make_page: Callable[..., Page], nursery: Site) -> None:
    page = make_page(nursery)
    account = Account(nursery)
    account.call("POST", "/api/v1/children", {"name": "Mia", "age": 7})
    sign_in(page, account)
    page.goto("/account")
    expect(page.get_by_text(account.email).first).to_be_visible()
    second = page.context.new_page()
    second.goto("/todos")
    hand_over(page)

    for address in (
        "/",
        "/login",
        "/register",
        "/account",
        "/history",
        "/tutor",
        "/study",
        "/stories",
        "/todos",
        "/nothing",
    ):
        page.goto(address)
        assert page.url.endswith(SHELF), address
    answers = page.evaluate(_FETCHED, [list(one) for one in _ADULTS])
    assert answers == [[403, "CHILD_SCREEN"]] * len(_ADULTS)
    page.goto(SHELF)
    for _ in range(4):
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Hello, Mia!")
        assert account.email not in page.content()
    second.bring_to_front()
    second.evaluate("dispatchEvent(new Event('focus'))")
    second.wait_for_url(f"**{SHELF}")
    fresh = page.context.new_page()
    fresh.goto("/account")
    assert fresh.url.endswith(SHELF)

    fresh.get_by_role("link", name="For grown-ups").click()
    fresh.get_by_label("PIN", exact=True).fill("9999")
    fresh.get_by_role("button", name="Leave").click()
    expect(fresh.get_by_role("alert")).to_contain_text("That was not it")
    fresh.goto("/account")
    assert fresh.url.endswith(SHELF)
    leave(fresh)
    fresh.goto("/account")
    expect(fresh.get_by_text(account.email).first).to_be_visible()


@pytest.mark.req("D2-4")
def test_bedtime_is_dim_and_ends_the_story(screen: Callable[..., Page]) -> None:
    page = screen(bedtime=True, **SMALL_PHONE)

    expect(page.get_by_role("heading", level=1)).to_have_text("Good evening, Mia!")
    begin(page, "Bedtime")
    read_to_its_end(page)

    expect(page.locator(".the-end__words")).to_have_text("The end")
    expect(page.get_by_text("Good night, Mia.")).to_be_visible()
    assert page.locator(".choices").count() == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 17, 13)"


def test_bedtime_comes_while_the_page_is_open(screen: Callable[..., Page]) -> None:
    page = screen()
    page.clock.install()
    page.evaluate(_TEN_MINUTES_BEFORE)

    page.clock.run_for(599_000)
    assert page.locator("html[data-bedtime]").count() == 0
    page.clock.run_for(2_000)

    expect(page.locator("html[data-bedtime]")).to_have_count(1)


def test_an_own_idea_is_told_and_an_unkind_one_is_not(screen: Callable[..., Page]) -> None:
    page = screen(ideas=True)
    begin(page)
    read_to_its_end(page)

    page.get_by_label("Or say what happens next").fill("He takes a gun and kills everybody.")
    page.get_by_role("button", name="Tell it like that").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Let's think of something kinder.")
    page.get_by_role("link", name="Back to the story").click()
    page.get_by_label("Or say what happens next").fill("They bake a cake.")
    page.get_by_role("button", name="Tell it like that").click()
    page.wait_for_url(lambda url: url.endswith("#chapter-2"))

    read_to_its_end(page)


def test_the_days_limit_is_a_gentle_page(screen: Callable[..., Page]) -> None:
    page = screen(child={"daily_limit": 1})
    begin(page)
    read_to_its_end(page)

    expect(page.get_by_role("heading", name="That was a lot of reading today.")).to_be_visible()
    page.get_by_role("link", name="My stories").first.click()
    expect(page.get_by_role("heading", name="That was a lot of reading today.")).to_be_visible()
    assert page.get_by_role("button", name="Forest").count() == 0
    page.locator(".book").first.click()
    shown(page).first.wait_for()


@pytest.mark.req("D1-8")
@pytest.mark.parametrize(
    ("size", "colours"),
    [(SMALL_PHONE, "light"), (TABLET, "dark"), (SMALL_PHONE, "bedtime")],
    ids=["phone", "tablet", "bedtime"],
)
def test_every_page_fits_and_keeps_nobody_out(screen: Callable[..., Page], size: dict[str, Any], colours: str) -> None:
    scheme = "dark" if colours == "dark" else "light"
    page = screen(bedtime=colours == "bedtime", ideas=True, color_scheme=scheme, reduced_motion="reduce", **size)
    begin(page, "Ocean")
    read_to_its_end(page)
    story = page.url.split("#")[0]

    for address in (SHELF, story, "/stories/leave", f"{story}?chapter=nothing"):
        page.goto(address)
        page.wait_for_load_state()
        assert serious(page) == [], address
        assert page.evaluate(_OVERFLOW) <= 0, address
        assert page.evaluate(_SMALL) == [], address


@pytest.mark.req("D2-1")
def test_a_story_without_script(make_page: Callable[..., Page], nursery: Site) -> None:
    page = make_page(nursery, java_script_enabled=False)
    open_nursery(page, nursery)
    page.get_by_role("button", name="Forest").click()
    page.wait_for_url(f"**{SHELF}/*")
    _ask_until_told(page)
    page.locator(".choices .big-button").first.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Chapter 2")
    _ask_until_told(page)
    assert page.locator(".story__p").count() > 1
    page.get_by_role("link", name="For grown-ups").click()
    page.get_by_label("PIN", exact=True).fill(PIN)
    page.get_by_role("button", name="Leave").click()
    page.wait_for_url("**/stories")


def _ask_until_told(page: Page) -> None:
    """Pages without script ask for themselves again, or by a link where a browser is only told to run none."""

    def is_told() -> bool:
        more = page.get_by_role("link", name="Show more")
        if more.count():
            more.click()
        return page.locator(".choices").count() > 0

    eventually(is_told, within_s=30, what="the chapter was not told")


@pytest.mark.req("Y37")
def test_a_lost_network_costs_nothing_of_the_story(
    make_page: Callable[..., Page], make_site: Callable[..., Site]
) -> None:
    site = make_site(BUILTIN_PACE_MS="25", STORIES_RATE_LIMIT="1000/minute")
    page = make_page(site)
    account = open_nursery(page, site)
    begin(page)
    # A connection that has just been made is not made again at once.
    page.locator(".story__p").nth(1).wait_for(state="attached", timeout=30_000)

    page.context.set_offline(True)
    page.context.set_offline(False)
    read_to_its_end(page)

    stories = account.call("GET", "/api/v1/stories").json["stories"]
    assert len(stories) == 1
    kept = account.call("GET", f"/api/conversations/{stories[0]['id']}").json["messages"][-1]["content"]
    told = [words(text) for text in page.locator(".story__p").all_inner_texts()]
    assert [words(part) for part in re.split(r"\n{2,}", kept) if part.strip()] == told
