"""The todo agent beside the list, in Chromium, with a scripted model: in mid-run, stopped, and hostile."""

import re
from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.chats import answer, ask, ended
from tests.e2e.sites import Model, Site, prose
from tests.e2e.talking import TODOS, row, say, steps, tool

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

HOSTILE: Final = "<img src=x onerror=alert(1)> *x*"


@pytest.mark.req("D7", "D8", "D9")
def test_a_step_and_its_item_are_there_before_the_answer_ends(
    model: Model, todo_page: Callable[..., Page], shared_site: Site
) -> None:
    page = todo_page(shared_site)
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
def test_a_reload_and_a_second_tab_show_all_and_go_on(
    model: Model, todo_page: Callable[..., Page], shared_site: Site
) -> None:
    page = todo_page(shared_site)
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
def test_a_stopped_answer_keeps_its_steps_and_goes_on(
    model: Model, todo_page: Callable[..., Page], shared_site: Site
) -> None:
    page = todo_page(shared_site)
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


def test_what_a_model_says_stays_words(model: Model, todo_page: Callable[..., Page], shared_site: Site) -> None:
    page = todo_page(shared_site)
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
