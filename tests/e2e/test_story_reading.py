"""How a chapter is read on the child's screen: at the pace of a child, aloud, and word by word."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import words
from tests.e2e.nursery import SMALL_PHONE, begin, read_to_its_end, shown, voices
from tests.e2e.sites import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.mark.req("Y36")
def test_a_chapter_comes_at_the_pace_of_reading(screen: Callable[..., Page]) -> None:
    page = screen()
    page.clock.install()
    begin(page)
    eventually(lambda: page.locator("#next > *").count() > 0, within_s=30, what="the chapter was not told")
    assert page.locator(".story__p").count() > 2, "needs a chapter of several paragraphs"

    assert shown(page).count() == 1
    assert page.locator("#next").is_hidden()
    page.clock.run_for(60_000)
    assert shown(page).count() > 1
    page.get_by_role("button", name="Wait").click()
    there = shown(page).count()
    page.clock.run_for(600_000)
    assert shown(page).count() == there
    page.get_by_role("button", name="Go on").click()
    page.clock.run_for(1_000)
    assert shown(page).count() == there + 1

    page.reload()
    assert shown(page).count() >= there, "what was shown stays shown"
    page.get_by_role("button", name="Show all").click()
    assert shown(page).count() == page.locator(".story__p").count()
    expect(page.locator(".choices")).to_be_visible()
    expect(page.get_by_role("button", name="Show all")).to_be_hidden()


def test_who_wants_no_motion_gets_none(screen: Callable[..., Page]) -> None:
    page = screen(reduced_motion="reduce")
    begin(page)
    read_to_its_end(page)

    moving = page.evaluate("document.getAnimations().length")
    assert moving == 0


@pytest.mark.req("D2-3")
def test_the_story_is_read_aloud_word_by_word(screen: Callable[..., Page]) -> None:
    page = screen(script=voices())
    begin(page)
    read_to_its_end(page)
    text = page.locator(".story__p").first.inner_text()

    page.get_by_role("button", name="Read to me").click()

    spoken = page.evaluate("standIn.spoken()")
    assert text.startswith(spoken[0]["text"].strip())
    assert spoken[0]["voice"] == "Nora", "voices of other machines are not used"
    # Nobody knows yet whether this voice tells its words: the sentence is marked.
    assert page.locator(".w--said").count() == len(re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", spoken[0]["text"]))
    said = spoken[0]["text"].split()
    for at in (0, 1, 2):
        page.evaluate("(at) => standIn.word(at)", at)
        assert page.locator(".w--said").all_inner_texts() == [re.sub(r"^[^\w]+|[^\w]+$", "", said[at])]

    page.get_by_role("button", name="Wait").click()
    assert page.evaluate("standIn.isSpeaking()") is False
    assert page.locator(".w--said").count() == 0
    page.get_by_role("button", name="Read on").click()
    assert page.evaluate("standIn.spoken()")[-1]["text"] == spoken[0]["text"]
    page.evaluate("standIn.end()")
    assert page.evaluate("standIn.spoken()")[-1]["text"] != spoken[0]["text"]
    assert page.locator(".w--said").count() == 0, "a voice that tells its words needs no marked sentence"


def test_reading_goes_through_the_whole_chapter_and_stops(screen: Callable[..., Page]) -> None:
    page = screen(script=voices())
    begin(page)
    read_to_its_end(page)
    page.get_by_role("button", name="Read to me").click()

    for _ in range(400):
        if not page.evaluate("standIn.isSpeaking()"):
            break
        page.evaluate("standIn.end()")

    spoken = words(" ".join(one["text"] for one in page.evaluate("standIn.spoken()")))
    assert spoken == words(" ".join(page.locator(".story__p").all_inner_texts()))
    expect(page.get_by_role("button", name="Read to me")).to_be_visible()


def test_voice_and_speed_are_chosen_and_kept(screen: Callable[..., Page]) -> None:
    page = screen(script=voices())
    begin(page)
    read_to_its_end(page)
    page.get_by_text("Voice", exact=True).first.click()
    page.get_by_label("Voice").select_option("Anders")
    page.get_by_label("Speed").fill("0.7")
    page.reload()

    page.get_by_role("button", name="Read to me").click()

    spoken = page.evaluate("standIn.spoken()")[-1]
    assert (spoken["voice"], spoken["rate"]) == ("Anders", 0.7)


def test_without_voices_nothing_offers_to_read(screen: Callable[..., Page]) -> None:
    page = screen()
    begin(page)
    read_to_its_end(page)

    assert page.get_by_role("button", name="Read to me").count() == 0


@pytest.mark.req("D2-5")
def test_a_word_is_explained_by_touch_and_by_keyboard(screen: Callable[..., Page]) -> None:
    page = screen(**SMALL_PHONE)
    begin(page)
    read_to_its_end(page)
    meaning = page.locator("#meaning")
    first = page.locator(".w").first

    first.tap()
    expect(meaning).to_be_visible()
    expect(meaning.locator("[data-word]")).to_have_text(re.compile(".+"))
    expect(meaning.locator("[data-meaning]")).not_to_have_text("…")
    page.keyboard.press("Escape")
    expect(meaning).to_be_hidden()

    page.locator(".w[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(meaning).to_be_visible()
    expect(meaning.locator("[data-word]")).to_have_text(page.locator(".w").nth(1).inner_text(), ignore_case=True)
    meaning.get_by_role("button", name="Close").click()
    expect(meaning).to_be_hidden()
    assert page.evaluate("document.activeElement.textContent") == page.locator(".w").nth(1).inner_text()
