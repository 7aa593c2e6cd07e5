"""The todo agent beside the list, in Chromium, with the built-in engine."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.chats import answer, composer, ended
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.sites import Site, running
from tests.e2e.talking import TODOS, add, row, say, steps
from tests.e2e.visiting import serious

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

NARROW: Final = {**PHONE, "viewport": {"width": 360, "height": 740}}


@pytest.fixture(scope="module")
def plain_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without a model, where a month has ten requests."""
    place = tmp_path_factory.mktemp("plain")
    with running(place, TODOS_MONTHLY_QUOTA="10", BUILTIN_PACE_MS="0") as started:
        yield started
        assert started.complaints() == []


@pytest.fixture
def page(todo_page: Callable[..., Page], plain_site: Site) -> Page:
    """A page of somebody new, without a model."""
    return todo_page(plain_site)


@pytest.mark.req("D1")
def test_what_one_says_is_done_told_and_undone(page: Page) -> None:
    say(page, "Call Ann")

    expect(row(page, "Call Ann")).to_be_visible()
    expect(row(page, "Call Ann")).to_contain_text("Added by AI")
    expect(steps(page)).to_have_text(re.compile("Added Call Ann"))
    steps(page).get_by_role("button", name="Undo").click()
    expect(row(page, "Call Ann")).to_have_count(0)
    again = steps(page).get_by_role("button", name="Do it again")
    expect(again).to_be_focused()
    again.press("Enter")
    expect(row(page, "Call Ann")).to_be_visible()
    expect(steps(page).get_by_role("button", name="Undo")).to_be_focused()


def test_a_step_leads_to_its_item(page: Page) -> None:
    add(page, "\n".join(f"Thing {number}" for number in range(40)), "Thing 0")
    say(page, "Call Ann")
    expect(row(page, "Call Ann")).to_be_visible()

    steps(page).get_by_role("link", name="Call Ann").click()

    expect(row(page, "Call Ann")).to_be_in_viewport()
    expect(row(page, "Call Ann").get_by_role("link", name="Call Ann")).to_be_focused()
    expect(row(page, "Call Ann")).to_have_class(re.compile("todo--shown"))
    # Where the list does not hold it, its own page opens above the list.
    page.get_by_role("link", name="Done", exact=True).click()
    expect(row(page, "Call Ann")).to_have_count(0)
    steps(page).get_by_role("link", name="Call Ann").click()
    expect(page.get_by_role("dialog").get_by_role("textbox", name="What")).to_have_value("Call Ann")


def test_all_of_an_answer_is_undone_at_once(page: Page) -> None:
    say(page, "Buy milk\nBuy bread\nBuy tea")
    expect(steps(page)).to_have_count(3)
    expect(row(page, "Buy tea")).to_be_visible()

    answer(page).get_by_role("button", name="Undo all of this").click()

    for name in ("Buy milk", "Buy bread", "Buy tea"):
        expect(row(page, name)).to_have_count(0)
    page.reload()
    expect(page.locator(".step--undone")).to_have_count(3)
    answer(page).get_by_role("button", name="Do all of it again").click()
    expect(row(page, "Buy milk")).to_be_visible()


def test_what_is_mine_is_deleted_only_after_a_yes(page: Page) -> None:
    add(page, "My secret plan")

    say(page, "Delete my secret plan")
    expect(steps(page)).to_have_text(re.compile("Asks before deleting My secret plan"))
    page.get_by_role("button", name="No, keep it").click()
    expect(page.locator(".turn")).to_have_count(2)
    ended(page)
    expect(row(page, "My secret plan")).to_be_visible()

    say(page, "Delete my secret plan")
    page.get_by_role("button", name="Yes, delete it").click()
    expect(page.locator(".turn")).to_have_count(4)
    ended(page)
    expect(row(page, "My secret plan")).to_have_count(0)
    expect(page.locator(".asks:visible")).to_have_count(0)
    steps(page).get_by_role("button", name="Undo").click()
    expect(row(page, "My secret plan")).to_be_visible()


def test_what_could_mean_several_is_asked_back_with_buttons(page: Page) -> None:
    add(page, "Call Ann about rent")
    add(page, "Call Ann about tea")

    say(page, "Complete call Ann")
    choices = answer(page).locator(".asks button")
    expect(choices).to_have_count(2)
    choices.filter(has_text="tea").click()
    expect(page.locator(".turn")).to_have_count(2)
    ended(page)

    expect(steps(page)).to_have_text(re.compile("Completed Call Ann about tea"))
    expect(row(page, "Call Ann about tea")).to_have_count(0)
    expect(row(page, "Call Ann about rent")).to_be_visible()


def test_the_first_visit_shows_what_can_be_said(page: Page) -> None:
    expect(page.get_by_text("The built-in engine answers: no model is asked.")).to_be_visible()
    examples = page.locator("[data-say]").all_inner_texts()
    assert len(examples) == 3

    page.locator("[data-say]").first.click()
    expect(composer(page)).to_have_value(examples[0])
    expect(composer(page)).to_be_focused()
    composer(page).press("Enter")
    ended(page)
    for example in examples[1:]:
        say(page, example)

    expect(page.locator(".step--done")).to_have_count(2)
    expect(page.locator(".step--failed")).to_have_count(0)
    expect(row(page, "Call the dentist")).to_be_visible()
    expect(row(page, "Pay rent")).to_contain_text("#home")


@pytest.mark.req("D12", "D17")
def test_sessions_are_listed_renamed_left_and_deleted(page: Page) -> None:
    say(page, "Buy milk")
    page.wait_for_url(re.compile(r"/todos\?session=\w+$"))
    first = page.url
    page.get_by_role("link", name="New", exact=True).click()
    expect(page.locator(".turn")).to_have_count(0)
    say(page, "Buy bread")

    page.get_by_text("Sessions", exact=True).click()
    held = page.locator(".agent .past")
    expect(held).to_have_count(2)
    menu = held.filter(has_text="Buy milk")
    menu.locator(".past__open").click()
    menu.get_by_label("Title").fill("Groceries")
    menu.get_by_role("button", name="Rename").click()
    page.get_by_role("link", name="Groceries").click()
    page.wait_for_url(first)
    expect(page.get_by_role("heading", name="Groceries")).to_be_visible()
    expect(steps(page)).to_have_text(re.compile("Added Buy milk"))

    page.get_by_text("Sessions", exact=True).click()
    menu = page.locator(".agent .past").filter(has_text="Groceries")
    menu.locator(".past__open").click()
    menu.get_by_text("Delete…").click()
    menu.get_by_role("button", name="Delete for good").click()
    page.wait_for_url(re.compile("session=new"))
    page.get_by_text("Sessions", exact=True).click()
    expect(page.locator(".agent .past")).to_have_count(1)
    expect(row(page, "Buy milk")).to_be_visible()


@pytest.mark.req("D14", "D21")
def test_the_meter_counts_warns_and_says_when_there_is_more(page: Page) -> None:
    meter = page.locator("#todos-quota")
    expect(meter).to_contain_text(re.compile(r"0 of 10 (requests )?used, new on 1 \w+"))
    for number in range(8):
        say(page, f"Thing {number}")
    expect(meter).to_contain_text("Only 2 of 10 requests left this month")
    for number in (8, 9):
        say(page, f"Thing {number}")
    expect(meter).to_contain_text("All 10 requests of this month are used. New ones come on 1")

    composer(page).fill("One more")
    composer(page).press("Enter")

    refusal = page.locator("#ask-problem")
    expect(refusal).to_contain_text("You have used 10 of your 10 requests for this month.")
    # The meter fetches itself again, and leaves what is told about the message.
    with page.expect_response("**/todos/agent/quota"):
        page.evaluate("document.body.dispatchEvent(new Event('points-changed'))")
    expect(refusal).to_contain_text("You have used 10 of your 10 requests for this month.")
    expect(composer(page)).to_have_value("One more")
    answer(page).get_by_role("button", name="Try again").click()
    expect(refusal.locator(".notice")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(10)
    add(page, "The list works as ever")


@pytest.mark.req("D1")
def test_by_keyboard_alone(page: Page) -> None:
    page.keyboard.press("/")
    expect(composer(page)).to_be_focused()
    page.keyboard.type("Call Ann")
    page.keyboard.press("Enter")
    ended(page)
    expect(row(page, "Call Ann")).to_be_visible()

    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if page.evaluate("document.activeElement.textContent").startswith("Undo"):
            break
    page.keyboard.press("Enter")

    expect(row(page, "Call Ann")).to_have_count(0)
    expect(steps(page).get_by_role("button", name="Do it again")).to_be_focused()


def test_on_a_phone_the_list_stays_in_view_and_the_conversation_folds(
    todo_page: Callable[..., Page], plain_site: Site
) -> None:
    page = todo_page(plain_site, **NARROW)
    fold = page.get_by_role("button", name="Conversation")
    expect(page.locator("#chat-log")).to_be_hidden()
    expect(composer(page)).to_be_in_viewport()

    say(page, "Call Ann")

    expect(fold).to_have_attribute("aria-expanded", "true")
    expect(steps(page)).to_be_in_viewport()
    expect(page.get_by_label("Add a todo")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert serious(page) == []
    steps(page).get_by_role("link", name="Call Ann").tap()
    expect(page.locator("#chat-log")).to_be_hidden()
    expect(row(page, "Call Ann")).to_be_in_viewport()
    fold.tap()
    expect(page.locator("#chat-log")).to_be_visible()
    fold.tap()
    expect(page.locator("#chat-log")).to_be_hidden()


def test_without_script(todo_page: Callable[..., Page], plain_site: Site) -> None:
    account = Account(plain_site)
    page = todo_page(plain_site, account, java_script_enabled=False)
    page.get_by_label("Your message").fill("Buy milk\nBuy bread")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".step")).to_have_count(2)
    page.get_by_role("link", name="Back to the list").last.click()
    expect(row(page, "Buy milk")).to_be_visible()
    page.locator(".step").filter(has_text="Buy milk").get_by_role("button", name="Undo").click()
    expect(row(page, "Buy milk")).to_have_count(0)
    expect(row(page, "Buy bread")).to_be_visible()
    page.locator(".step").filter(has_text="Buy bread").get_by_role("link").click()
    expect(page.get_by_role("textbox", name="What")).to_have_value("Buy bread")

    account.call("POST", "/api/todos", {"item": "Mine"})
    page.goto(TODOS)
    page.get_by_label("Your message").fill("Delete mine")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="Back to the list").last.click()
    page.get_by_role("button", name="Yes, delete it").click()
    expect(page.locator(".step")).to_have_text(re.compile("Deleted Mine"))
    page.get_by_role("link", name="Back to the list").last.click()
    expect(row(page, "Mine")).to_have_count(0)


def test_nothing_is_hard_to_read_or_to_reach(page: Page) -> None:
    add(page, "Mine")
    say(page, "Buy milk\nBuy bread")
    answer(page).get_by_role("button", name="Undo: Added Buy milk").click()
    expect(page.locator(".step--undone")).to_have_count(1)
    say(page, "Delete mine")
    page.get_by_text("Sessions", exact=True).click()
    expect(page.locator(".agent .past")).to_have_count(1)

    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert serious(page) == []


def test_on_paper_and_in_a_file_the_steps_are_there(page: Page, tmp_path: Any) -> None:
    say(page, "Buy milk\nBuy bread")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export", exact=True).click()
    download.value.save_as(tmp_path / "kept.md")
    assert "- Added *Buy milk*\n- Added *Buy bread*" in (tmp_path / "kept.md").read_text()

    page.emulate_media(media="print")
    expect(steps(page).first).to_be_visible()
    for left_out in (".step__undo", ".steps__all", ".agent__sessions", ".chat__foot"):
        expect(page.locator(left_out).first).to_be_hidden()
