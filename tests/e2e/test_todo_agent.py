"""The todo agent beside the list, in Chromium: with the built-in engine, and with a scripted model."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browsing import Watch, sign_in
from tests.e2e.chats import answer, ask, composer, ended
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.sites import Model, Site, prose, running
from tests.e2e.visiting import serious

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TODOS: Final = "/todos"
NARROW: Final = {**PHONE, "viewport": {"width": 360, "height": 740}}
HOSTILE: Final = "<img src=x onerror=alert(1)> *x*"


@pytest.fixture(scope="module")
def plain_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site without a model, where a month has ten requests."""
    place = tmp_path_factory.mktemp("plain")
    with running(place, TODOS_MONTHLY_QUOTA="10", BUILTIN_PACE_MS="0") as started:
        yield started
        assert started.complaints() == []


Open = Callable[..., Page]


@pytest.fixture
def opened(make_page: Open) -> Iterator[Open]:
    """Somebody new on a site, at their list; nothing may be complained about or reached for."""
    watches: list[Watch] = []

    def open_(site: Site, account: Account | None = None, **options: Any) -> Page:
        page = make_page(site, **options)
        watches.append(Watch(page))
        sign_in(page, account or Account(site))
        page.goto(TODOS)
        page.wait_for_load_state()
        return page

    yield open_
    for watch in watches:
        assert watch.complaints == []
        assert watch.foreign == []
        assert watch.dialogs == []


@pytest.fixture
def page(opened: Open, plain_site: Site) -> Page:
    """A page of somebody new, without a model."""
    return opened(plain_site)


def say(page: Page, words: str) -> None:
    """Tell the agent something, and wait for the end of its answer."""
    ask(page, words)
    ended(page)


def add(page: Page, line: str, name: str = "") -> None:
    """Put something on the list by hand."""
    page.get_by_label("Add a todo").fill(line)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(row(page, name or line)).to_be_visible()


def row(page: Page, name: str) -> Locator:
    """A todo in the list."""
    return page.locator("#todos-items .todo").filter(has=page.get_by_role("link", name=name, exact=True))


def steps(page: Page) -> Locator:
    """What the latest answer did."""
    return answer(page).locator(".step")


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    """A model's reply that uses a tool."""
    return {"text": "", "tool_calls": [(name, json.dumps(arguments))], "finish": "tool_calls"}


# -- the built-in engine


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


def test_on_a_phone_the_list_stays_in_view_and_the_conversation_folds(opened: Open, plain_site: Site) -> None:
    page = opened(plain_site, **NARROW)
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


def test_without_script(opened: Open, plain_site: Site) -> None:
    account = Account(plain_site)
    page = opened(plain_site, account, java_script_enabled=False)
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


# -- a model


@pytest.mark.req("D7", "D8", "D9")
def test_a_step_and_its_item_are_there_before_the_answer_ends(model: Model, opened: Open, shared_site: Site) -> None:
    page = opened(shared_site)
    model.play(**tool("create_todo", item="Team meeting", start_time="2031-01-14 14:00:00"))
    model.play(text=prose(60), stall_after=20)

    ask(page, "Team meeting on the 14th")

    expect(steps(page)).to_have_text(re.compile("Added Team meeting, Tue 14 Jan 2031 14:00"))
    expect(row(page, "Team meeting")).to_contain_text("14 Jan 2031")
    expect(answer(page).locator(".waiting")).to_contain_text("Writing…")
    expect(steps(page).get_by_role("button")).to_have_count(0)
    model.release()
    ended(page)
    expect(steps(page).get_by_role("button", name="Undo")).to_be_visible()


@pytest.mark.req("D17")
def test_a_reload_and_a_second_tab_show_all_and_go_on(model: Model, opened: Open, shared_site: Site) -> None:
    page = opened(shared_site)
    model.play(**tool("create_todo", item="Team meeting"))
    model.play(text=prose(60), stall_after=20)
    ask(page, "Team meeting")
    expect(steps(page)).to_have_count(1)

    page.reload()
    second = page.context.new_page()
    second.goto(TODOS)

    for tab in (page, second):
        expect(steps(tab)).to_have_text(re.compile("Added Team meeting"))
        expect(answer(tab).locator(".waiting")).to_be_visible()
    model.release()
    for tab in (page, second):
        ended(tab)
        expect(steps(tab).get_by_role("button", name="Undo")).to_be_visible()
    assert answer(page).inner_text() == answer(second).inner_text()
    expect(page.locator("#todos-items .todo")).to_have_count(1)


@pytest.mark.req("D19")
def test_a_stopped_answer_keeps_its_steps_and_goes_on(model: Model, opened: Open, shared_site: Site) -> None:
    page = opened(shared_site)
    model.play(**tool("create_todo", item="Team meeting"))
    model.play(text=prose(60), stall_after=20)
    ask(page, "Team meeting")
    expect(steps(page)).to_have_count(1)
    page.get_by_role("button", name="Stop").click()
    ended(page, "stopped")
    expect(steps(page).get_by_role("button", name="Undo")).to_be_visible()

    model.play(text="And that is all.")
    page.get_by_role("button", name="Continue").click()
    ended(page)

    expect(answer(page)).to_contain_text("And that is all.")
    expect(page.locator(".turn .step")).to_have_text(re.compile("Added Team meeting"))
    expect(row(page, "Team meeting")).to_have_count(1)
    page.reload()
    expect(page.locator(".turn .step")).to_have_count(1)
    page.locator(".turn .step").get_by_role("button", name="Undo").click()
    expect(row(page, "Team meeting")).to_have_count(0)


def test_what_a_model_says_stays_words(model: Model, opened: Open, shared_site: Site) -> None:
    page = opened(shared_site)
    model.play(**tool("create_todo", item=HOSTILE))
    model.play(**tool("rm_rf", path=HOSTILE))
    model.play(**tool("create_todo", item=HOSTILE, start_time=HOSTILE))
    model.play(**tool("ask_user", question=HOSTILE, options=[HOSTILE, "Neither"]))

    say(page, "Do it")

    expect(steps(page)).to_have_count(3)
    expect(steps(page).first).to_contain_text(f"Added {HOSTILE}")
    expect(steps(page).nth(1)).to_have_class(re.compile("step--failed"))
    expect(steps(page).nth(2)).to_contain_text("Invalid date format")
    assert page.locator(".agent img").count() == 0
    model.play(text="Well.")
    answer(page).locator(".asks button").first.click()
    expect(page.locator(".turn")).to_have_count(2)
    ended(page)
    assert page.locator(".turn__question").last.inner_text() == HOSTILE
    page.reload()
    expect(page.locator(".step")).to_have_count(3)
    assert page.locator(".agent img").count() == 0
