"""Nobody is kept out: what axe finds on every page, and the whole chat by keyboard alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browsing import Watch, sign_in, words
from tests.e2e.chats import answer, composer, ended, shown, shows
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.sites import Model, Site, prose
from tests.e2e.studying import QUESTION, STUDY, TEXT_FILE, attached, drop
from tests.e2e.visiting import PUBLIC, Storied, serious, visits

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TEXT: Final = prose(80, seed=9)
HALF: Final = words(" ".join(TEXT.split()[:30]))
# What has the focus: its name as assistive technology is told it, near enough, and where it stands.
_FOCUSED: Final = """() => {
  const it = document.activeElement
  const name = it.getAttribute("aria-label") || it.labels?.[0]?.innerText || it.innerText || it.id
  return { name: name.trim().replace(/\\s+/g, " "), id: it.id }
}"""
# Whether what has the focus can be seen: in the window, with an outline, not behind anything.
_VISIBLE: Final = """() => {
  const it = document.activeElement
  const shown = it.matches("input[type=radio]") ? it.closest("label") : it
  const box = shown.getBoundingClientRect()
  const at = document.elementFromPoint(box.x + Math.min(box.width / 2, 60), box.y + Math.min(box.height / 2, 20))
  return box.width > 0 && shown.contains(at)
}"""


@pytest.mark.req("T43", "D1-8")
@pytest.mark.timeout(600)  # some forty pages, and axe on each
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_complains_reaches_out_or_keeps_anybody_out(
    scheme: Any, storied: Storied, make_page: Callable[..., Page], shared_site: Site
) -> None:
    found: list[Any] = []
    mine = sign_in(make_page(shared_site), storied.account)
    for page, paths in ((mine, storied.pages), (make_page(shared_site), PUBLIC)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        watch = Watch(page)
        for path, answered in visits(page, paths):
            found += [(path, *violation) for violation in serious(page)]
            found += [(path, said) for said in watch.complaints + watch.foreign]
            assert len(watch.refusals) == (answered.status != 200), (path, watch.refusals)
            policy = answered.headers["content-security-policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            watch.forget()

    assert found == []


@pytest.mark.req("D1-8")
def test_nothing_that_happens_on_the_study_page_keeps_anybody_out(model: Model, study: Page) -> None:
    found = []
    drop(study, TEXT_FILE)
    expect(attached(study)).to_have_count(1)
    found += serious(study)
    model.play(text=TEXT, stall_after=40)
    composer(study).fill(QUESTION)
    composer(study).press("Enter")
    shows(study, HALF)
    composer(study).fill("And then?")
    composer(study).press("Enter")
    found += serious(study)
    study.keyboard.press("Escape")
    ended(study, "stopped")
    study.get_by_role("button", name="Bad answer").click()
    study.get_by_text("Edit", exact=True).first.click()
    found += serious(study)
    study.keyboard.press("Control+k")
    expect(study.get_by_role("dialog")).to_be_visible()
    found += serious(study)

    assert found == []


def tab_to(page: Page, wanted: str, *, key: str = "Tab") -> None:
    """Move the focus to what has this name or id. Whatever has it on the way must be in sight."""
    seen, hidden = [], []
    for _ in range(90):
        page.keyboard.press(key)
        focused = page.evaluate(_FOCUSED)
        seen.append(focused["name"] or focused["id"])
        if not page.evaluate(_VISIBLE):
            hidden.append(seen[-1])
        if focused["name"].endswith(wanted) or focused["id"] == wanted:
            assert hidden == []
            return
    raise AssertionError(f"{key} does not lead to {wanted}: {seen}")


@pytest.mark.req("T38", "D1-8")
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
def test_the_keyboard_alone_asks_stops_tries_again_renames_searches_and_exports(
    size: dict[str, Any], model: Model, ada: Account, shared_site: Site, make_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = sign_in(make_page(shared_site, **size), ada)
    page.goto(STUDY)
    page.wait_for_load_state()

    model.play(text=TEXT, stall_after=40)
    tab_to(page, "message")
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    shows(page, HALF)
    assert page.evaluate("document.activeElement.id") == "message", "the focus stays in the composer"
    page.keyboard.press("Escape")
    ended(page, "stopped")

    model.play(text="Because of the air.")
    tab_to(page, "Try again", key="Shift+Tab")
    page.keyboard.press("Enter")
    shows(page, "Because of the air.")
    ended(page)
    model.play(text="Because of its molecules.")
    page.keyboard.press("Tab")
    tab_to(page, "Try again")
    page.keyboard.press("Enter")
    shows(page, "Because of its molecules.")
    ended(page)
    assert shown(page) == "Because of its molecules."

    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type("history")
    page.get_by_role("option", selected=True).filter(has_text="History").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/history**")
    tab_to(page, f"Rename, export or delete “{QUESTION}”")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Title")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("The blue of the sky")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="The blue of the sky")).to_be_visible()

    page.goto("/history")
    tab_to(page, "Words")
    page.keyboard.type("molecules")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=molecules**")
    tab_to(page, "The blue of the sky")
    page.keyboard.press("Enter")
    page.wait_for_url("**/study/*")
    assert answer(page).is_visible()
    with page.expect_download() as download:
        tab_to(page, "Export")
        page.keyboard.press("Enter")
    kept = tmp_path / "kept"
    download.value.save_as(kept)
    assert "Because of its molecules." in kept.read_text()
    assert json.dumps(QUESTION)[1:-1] in kept.read_text()
