"""Stories in an adult's browser: profiles, chapters, choices, other ways, what is held back, paper, no script."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pypdfium2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browsing import Watch, sign_in, words
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.sites import Site, eventually, running
from tests.e2e.visiting import serious

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SHELF: Final = "/stories"
ASK: Final = "/api/v1/stories/generate/stream"
NARROW: Final = {**PHONE, "viewport": {"width": 360, "height": 740}}
TABLET: Final = {"viewport": {"width": 820, "height": 1180}, "has_touch": True}
MIA: Final = {"name": "Mia", "age": 7, "pronouns": "she", "interests": ["whales"]}
UNSAFE: Final = "then he cuts her throat with a knife and there is blood everywhere"
_FOCUSED: Final = "() => document.activeElement.innerText || document.activeElement.value || ''"


@pytest.fixture(scope="module")
def quick_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without a model, whose chapters take seconds: long enough to be looked at in their midst."""
    with running(tmp_path_factory.mktemp("stories"), BUILTIN_PACE_MS="4") as started:
        yield started
        assert started.complaints() == []


@pytest.fixture
def parent(quick_site: Site) -> Account:
    """Somebody new."""
    return Account(quick_site)


@pytest.fixture
def open_page(make_page: Callable[..., Page], quick_site: Site) -> Iterator[Callable[..., Page]]:
    """Pages of somebody's; nothing may be complained about or reached for."""
    watches: list[Watch] = []

    def open_(account: Account, path: str = SHELF, **options: Any) -> Page:
        page = make_page(quick_site, **options)
        watches.append(Watch(page))
        sign_in(page, account)
        page.goto(path)
        page.wait_for_load_state()
        return page

    yield open_
    for watch in watches:
        assert watch.complaints == []
        assert watch.foreign == []
        assert watch.dialogs == []


def has_child(account: Account, **changes: Any) -> int:
    made = account.call("POST", "/api/v1/children", {**MIA, **changes})
    assert made.status == 201, made
    return int(made.json["id"])


def told(account: Account, child_id: int, number: int = 1, **more: Any) -> dict[str, Any]:
    """A chapter that is told to its end before the page is opened: {story_id, chapter_id, ...}."""
    body = {"child_id": child_id, "theme": "forest", "chapter_number": number, **more}
    started = account.call("POST", ASK, body)
    assert started.status == 201, started
    story_id: str = started.json["story_id"]

    def ended() -> Any:
        shown = account.call("GET", f"/api/v1/stories/{story_id}").json
        mine = [one for one in shown["chapters"] if one["id"] == started.json["chapter_id"]]
        return mine[0] if mine and mine[0]["outcome"] else None

    chapter = eventually(ended, within_s=60, what="the chapter is not told")
    assert chapter["outcome"] == "completed", chapter
    return {**started.json, **chapter}


def chapter(page: Page, number: int) -> Locator:
    return page.locator(f"#chapter-{number}")


def ended(page: Page, number: int) -> Locator:
    expect(chapter(page, number).locator(".outcome")).to_be_visible(timeout=60_000)
    return chapter(page, number)


def text_of(page: Page, number: int) -> str:
    return words(chapter(page, number).locator(".chapter__text").inner_text())


def stored_text(account: Account, story_id: str, number: int) -> str:
    """The chapter of the path that is read, as the API has it."""
    shown = account.call("GET", f"/api/v1/stories/{story_id}").json
    on_path = [one for one in shown["chapters"] if one["id"] in shown["path"] and one["chapter_number"] == number]
    return words(on_path[0]["story_content"])


def story_of(page: Page) -> str:
    found = re.search(r"/stories/(\w+)", page.url)
    assert found, page.url
    return found[1]


@pytest.mark.req("B2", "Y1", "Y11", "Y12", "D1-19", "D1-20", "D1-21")
def test_a_profile_chapter_one_a_choice_and_a_reload_in_mid_chapter_two(
    open_page: Callable[..., Page], parent: Account
) -> None:
    page = open_page(parent)
    page.get_by_label("Name or nickname").fill("Mia")
    page.locator("select[name=age]").select_option("7")
    page.get_by_role("radio", name="she", exact=True).check(force=True)
    page.get_by_role("button", name="Make the profile").click()
    page.wait_for_url("**/stories?child=*")
    page.get_by_role("radio", name="Ocean").check(force=True)
    page.get_by_role("button", name="Tell the first chapter").click()

    expect(page.get_by_role("progressbar", name="How far the chapter is")).to_be_visible()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    first = ended(page, 1)
    expect(first.get_by_text("Chapter 1 of 5")).to_be_visible()
    expect(first.get_by_role("heading", level=2)).not_to_be_empty()
    assert "Mia" in text_of(page, 1)
    assert text_of(page, 1) == stored_text(parent, story_of(page), 1)
    choices = first.locator("button.next__choice")
    expect(choices).to_have_count(3)
    expect(choices.last).to_have_text("Surprise me")
    chosen = choices.first.inner_text()
    choices.first.click()

    second = chapter(page, 2)
    expect(second.locator(".chapter__chosen")).to_contain_text(chosen)
    expect(second.locator(".chapter__text p").first).to_be_visible()
    before = words(second.locator(".chapter__text p").first.inner_text())
    page.reload()
    expect(second.locator(".chapter__text p").first).to_be_visible()
    assert text_of(page, 2).startswith(before[:40])
    ended(page, 2)
    assert text_of(page, 2) == stored_text(parent, story_of(page), 2)
    stories = parent.call("GET", "/api/v1/stories").json["stories"]
    assert len(stories) == 1, "a reload begins nothing"


@pytest.mark.req("Y11", "D1-7")
@pytest.mark.parametrize("size", [{}, NARROW], ids=["desktop", "phone"])
def test_what_is_read_stays_where_it_is_while_more_comes(
    size: dict[str, Any], open_page: Callable[..., Page], parent: Account
) -> None:
    started = parent.call("POST", ASK, {"child_id": has_child(parent), "theme": "ocean"})
    assert started.status == 201, started
    page = open_page(parent, f"{SHELF}/{started.json['story_id']}", **size)
    first = chapter(page, 1).locator(".chapter__text p").first
    expect(first).to_be_visible()
    top = "it => it.getBoundingClientRect().top + scrollY"
    before, bars = first.evaluate(top), page.get_by_role("progressbar")
    seen = bars.evaluate("it => it.value") if bars.count() else 0
    ended(page, 1)

    expect(bars).to_have_count(0)
    assert first.evaluate(top) == before
    assert 0 <= seen <= 100


@pytest.mark.req("B2")
def test_going_back_to_choose_otherwise_keeps_both_ways(open_page: Callable[..., Page], parent: Account) -> None:
    child_id = has_child(parent)
    first = told(parent, child_id)
    told(parent, child_id, 2, story_session=first["story_id"], choice="1")
    page = open_page(parent, f"{SHELF}/{first['story_id']}")
    one_way = text_of(page, 2)

    chapter(page, 1).get_by_text("Choose otherwise here").click()
    chapter(page, 1).locator("button.next__choice").nth(1).click()
    expect(chapter(page, 2).locator(".chapter__chosen")).to_contain_text(first["choices"][1])
    ended(page, 2)
    other_way = text_of(page, 2)
    assert other_way != one_way

    page.get_by_text("It went on otherwise, too").click()
    page.locator(".ways-on__way").filter(has_text=first["choices"][0]).click()
    expect(chapter(page, 2).locator(".chapter__chosen")).to_contain_text(first["choices"][0])
    assert text_of(page, 2) == one_way


@pytest.mark.req("B2")
def test_at_bedtime_the_next_chapter_is_the_last(open_page: Callable[..., Page], parent: Account) -> None:
    first = told(parent, has_child(parent))
    page = open_page(parent, f"{SHELF}/{first['story_id']}")
    page.get_by_label("Bedtime: the next chapter is calm, and the last").check()
    page.locator("button.next__choice").first.click()
    ended(page, 2)

    page.reload()
    expect(page.get_by_role("link", name="Begin another story")).to_be_visible()
    expect(page.locator("#chapter-2 button.next__choice")).to_have_count(0)
    assert "the end" in words(chapter(page, 2).inner_text()).lower()


@pytest.mark.req("Y36", "Y39")
def test_a_chapter_is_stopped_and_gone_on_with_where_it_stopped(
    open_page: Callable[..., Page], parent: Account
) -> None:
    has_child(parent)
    page = open_page(parent)
    page.get_by_role("radio", name="Forest").check(force=True)
    page.get_by_role("button", name="Tell the first chapter").click()
    expect(chapter(page, 1).locator(".chapter__text p").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped here. What was told is kept.")).to_be_visible()
    kept = text_of(page, 1)

    page.get_by_role("button", name="Go on where it stopped").click()
    expect(chapter(page, 1).locator("button.next__choice").first).to_be_visible(timeout=60_000)

    assert text_of(page, 1).startswith(kept)
    assert len(text_of(page, 1)) > len(kept)


@pytest.mark.req("B2", "R12", "Y33", "D1-18")
def test_an_idea_that_is_not_for_children_is_refused_and_shown_to_the_adult(
    open_page: Callable[..., Page], parent: Account
) -> None:
    child_id = has_child(parent)
    first = told(parent, child_id)
    page = open_page(parent)
    page.get_by_role("radio", name="Pirates").check(force=True)
    page.get_by_label("An idea of your own").fill(UNSAFE)
    page.get_by_role("button", name="Tell the first chapter").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.get_by_label("An idea of your own")).to_have_value(UNSAFE)
    expect(page.get_by_role("radio", name="Pirates")).to_be_checked()

    page.goto(f"{SHELF}/{first['story_id']}")
    page.wait_for_load_state()
    page.get_by_text("An idea of our own").click()
    page.get_by_label("What should happen next?").fill(UNSAFE)
    page.get_by_role("button", name="Tell that").click()
    expect(page.locator("#story-problem").get_by_role("alert")).to_be_visible()

    page.get_by_role("link", name="Held back").first.click()
    expect(page.locator(".review")).to_have_count(2)
    page.get_by_text("Show the words").first.click()
    expect(page.locator(".review__words").first).to_have_text(UNSAFE)
    assert serious(page) == []
    page.get_by_role("button", name="Mark all as seen").click()
    expect(page.locator(".review--new")).to_have_count(0)
    expect(page.locator(".stories__count")).to_have_count(0)


@pytest.mark.req("B2", "D1-21")
def test_the_booklet_prints_a_cover_and_each_chapter_on_a_page_of_its_own(
    open_page: Callable[..., Page], parent: Account
) -> None:
    child_id = has_child(parent, age=4)
    first = told(parent, child_id, chapters="short")
    told(parent, child_id, 2, story_session=first["story_id"])
    page = open_page(parent, f"{SHELF}/{first['story_id']}")
    page.get_by_role("link", name="Print").click()
    expect(page.get_by_role("button", name="Print the booklet")).to_be_visible()
    assert serious(page) == []

    sheets = pypdfium2.PdfDocument(page.pdf(format="A5"))
    texts = [words(sheet.get_textpage().get_text_range()) for sheet in sheets]

    assert "A story for Mia" in texts[0]
    assert "CHAPTER 1" not in texts[0].upper()
    begins = [at for at, text in enumerate(texts) if re.match(r"(we chose: .*)?chapter \d", text, re.IGNORECASE)]
    assert len(begins) == 2, texts
    assert "The end" in texts[-1]
    assert not any("Back to the story" in text or "Account" in text for text in texts)


@pytest.mark.req("B2", "D1-20")
def test_without_script_a_story_is_begun_read_and_chosen_on_by_plain_forms(
    open_page: Callable[..., Page], parent: Account
) -> None:
    page = open_page(parent, java_script_enabled=False)
    page.get_by_label("Name or nickname").fill("Mia")
    page.locator("select[name=age]").select_option("8")
    page.get_by_role("button", name="Make the profile").click()
    page.get_by_role("radio", name="Dragons").check(force=True)
    page.get_by_role("button", name="Tell the first chapter").click()
    page.wait_for_load_state()
    told_text = words(page.locator("article").inner_text())
    assert "Mia" in told_text
    assert "Go back to the story to choose." in told_text
    page.locator(".answer__over").get_by_role("link", name="Back to the story").click()
    first = chapter(page, 1)
    assert text_of(page, 1)[:60] in told_text
    chosen = first.locator("button.next__choice").first.inner_text()
    first.locator("button.next__choice").first.click()
    page.wait_for_load_state()
    expect(page.locator(".turn__question")).to_have_text(chosen)
    page.locator(".answer__over").get_by_role("link", name="Back to the story").click()
    expect(chapter(page, 2).locator(".chapter__chosen")).to_contain_text(chosen)
    page.get_by_role("link", name="Shelf").click()
    page.get_by_label("An idea of your own").fill(UNSAFE)
    page.get_by_role("radio", name="Magic").check(force=True)
    page.get_by_role("button", name="Tell the first chapter").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.get_by_label("An idea of your own")).to_have_value(UNSAFE)


def tab_until(page: Page, found: Callable[[], bool], key: str = "Tab") -> None:
    for _ in range(60):
        page.keyboard.press(key)
        if found():
            return
    raise AssertionError(f"{key} does not lead there; at {page.evaluate(_FOCUSED)!r}")


@pytest.mark.req("T38", "D1-8")
def test_the_keyboard_alone_begins_a_story_and_chooses(open_page: Callable[..., Page], parent: Account) -> None:
    page = open_page(parent)
    name = page.get_by_label("Name or nickname")
    if not name.evaluate("it => it === document.activeElement"):
        tab_until(page, lambda: name.evaluate("it => it === document.activeElement"))
    page.keyboard.type("Mia")
    page.keyboard.press("Tab")
    page.keyboard.type("7")
    tab_until(page, lambda: page.evaluate(_FOCUSED) == "Make the profile")
    page.keyboard.press("Enter")
    page.wait_for_url("**/stories?child=*")
    tab_until(page, lambda: page.evaluate("document.activeElement.name") == "theme")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/stories/*#chapter-1")
    ended(page, 1)
    tab_until(page, lambda: "next__choice" in page.evaluate("document.activeElement.className"))
    page.keyboard.press("Enter")
    page.wait_for_url("**#chapter-2")
    expect(chapter(page, 2).locator(".chapter__text p").first).to_be_visible()


@pytest.mark.req("D1-8", "T43")
@pytest.mark.parametrize(
    "options", [{}, NARROW, TABLET, {"color_scheme": "dark"}], ids=["desktop", "phone", "tablet", "dark"]
)
def test_no_page_of_the_stories_is_too_wide_or_keeps_anybody_out(
    options: dict[str, Any], open_page: Callable[..., Page], parent: Account
) -> None:
    found: list[Any] = []
    page = open_page(parent, **options)

    def look(what: str) -> None:
        found.extend((what, *violation) for violation in serious(page))
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found.extend([(what, "too wide by", wide)] if wide > 0 else [])

    look("first visit")
    child_id = has_child(parent, name="Maximilian-Alexander")
    has_child(parent, name="Bo", age=10, daily_limit=3, bedtime="19:30")
    first = told(parent, child_id)
    told(parent, child_id, 2, story_session=first["story_id"], choice="surprise me")
    story = f"{SHELF}/{first['story_id']}"
    one = f"{SHELF}/children/{child_id}"
    for path in (SHELF, f"{SHELF}?q=zebra", story, f"{story}/booklet", one, f"{one}/delete", f"{SHELF}/review"):
        page.goto(path)
        for details in page.locator("main details").all():
            details.evaluate("(element) => { element.open = true }")
        look(path)
    # The site's five ways fit beside each other.
    links = page.locator(".header__nav .header__link")
    assert links.count() == 5
    assert page.locator(".header__nav").evaluate("it => it.scrollWidth <= it.clientWidth"), (
        "the header must be scrolled"
    )

    assert found == []
