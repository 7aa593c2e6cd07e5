"""Keys for what is done often, and the keyboard alone."""

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.chats import composer, ended, shows
from tests.e2e.conversations import palette, titles, told
from tests.e2e.sites import Model, prose
from tests.e2e.studying import STUDY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CODE: Final = "Use a loop:\n\n```python\nfor sock in socks:\n    count(sock)\n```\n"


def test_keys_do_what_the_list_says(model: Model, study: Page) -> None:
    study.context.grant_permissions(["clipboard-read", "clipboard-write"])
    older = told(study, model, "What is a shadow?", "Light is missing there.")
    newer = told(study, model, "How do I count?", CODE)

    def key(keys: str) -> None:
        study.locator("#main").focus()
        study.keyboard.press(keys)

    key("c")
    expect(study.locator("#said")).to_have_text("Answer copied.")
    assert "Use a loop:" in study.evaluate("navigator.clipboard.readText()")
    key("x")
    expect(study.locator("#said")).to_have_text("Code copied.")
    assert study.evaluate("navigator.clipboard.readText()").strip() == "for sock in socks:\n    count(sock)"
    key("/")
    expect(composer(study)).to_be_focused()
    study.keyboard.type("nx?")
    expect(composer(study)).to_have_value("nx?")
    composer(study).fill("")
    study.keyboard.press("Alt+j")
    study.wait_for_url(older)
    key("k")
    study.wait_for_url(newer)
    model.play(text=prose(60), stall_after=20)
    study.wait_for_load_state()
    key("r")
    study.locator(".waiting").wait_for()
    shows(study, " ".join(prose(60).split()[:10]))
    key("Escape")
    ended(study, "stopped")
    study.keyboard.press("n")
    study.wait_for_url(f"**{STUDY}")


def test_the_shortcuts_are_listed_and_can_be_switched_off_for_good(model: Model, study: Page) -> None:
    study.locator("#main").focus()
    study.keyboard.press("?")
    listed = study.get_by_role("dialog", name="Keyboard shortcuts")
    expect(listed).to_contain_text("Copy the last code")
    listed.get_by_label("Shortcuts are on").uncheck()
    study.keyboard.press("Escape")
    expect(listed).to_be_hidden()

    for attempt in ("at once", "after a reload"):
        study.locator("#main").focus()
        for keys in ("?", "n", "/", "Control+k"):
            study.keyboard.press(keys)
        expect(study.locator("dialog[open]")).to_have_count(0)
        assert study.evaluate("document.activeElement.id") == "main", attempt
        study.reload()
        study.wait_for_load_state()

    study.goto("/history")
    study.get_by_role("button", name="Keyboard shortcuts").click()
    listed.get_by_label("Shortcuts are on").check()
    listed.get_by_role("button", name="Close").click()
    study.keyboard.press("Control+k")
    expect(palette(study)).to_be_visible()


def test_the_keyboard_alone_renames_searches_and_exports(model: Model, study: Page) -> None:
    told(study, model, "What is a magnet?", "It attracts iron.")
    study.goto("/history")

    _tab_to(study, "Rename, export or delete “What is a magnet?”")
    study.keyboard.press("Enter")
    expect(study.get_by_label("Title")).to_be_focused()
    study.keyboard.type("Poles")
    study.keyboard.press("Enter")
    expect(titles(study)).to_have_text(["Poles"])
    study.keyboard.press("Enter")
    _tab_to(study, "Markdown")
    with study.expect_download():
        study.keyboard.press("Enter")
    study.keyboard.press("Escape")
    expect(study.locator(".past__menu")).to_be_hidden()
    _tab_to(study, "Words", keys="Shift+Tab")
    study.keyboard.type("iron")
    study.keyboard.press("Enter")
    study.wait_for_url("**q=iron**")

    expect(titles(study)).to_have_text(["Poles"])


def _tab_to(page: Page, wanted: str, *, keys: str = "Tab") -> None:
    """Move the focus to what has this name."""
    seen = []
    for _ in range(60):
        page.keyboard.press(keys)
        seen.append(
            page.evaluate(
                "(({ ariaLabel, labels, textContent }) => ariaLabel ?? labels?.[0]?.textContent.trim() ?? "
                "textContent.trim())(document.activeElement)"
            )
        )
        if seen[-1].startswith(wanted):
            return
    raise AssertionError(f"{keys} does not lead to {wanted}: {seen}")
