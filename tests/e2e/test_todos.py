"""The list of todos in a browser: by hand, by keyboard alone, by finger, in two tabs, and without script."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browsing import Watch, sign_in, until
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.sites import Site
from tests.e2e.visiting import serious

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

TODOS: Final = "/todos"
NARROW: Final = {**PHONE, "viewport": {"width": 360, "height": 740}}
_FOCUSED: Final = "() => document.activeElement.getAttribute('aria-label') || document.activeElement.innerText.trim()"


@pytest.fixture
def todos(make_page: Callable[..., Page], shared_site: Site, ada: Account) -> Iterator[Page]:
    """Ada's list, with nothing in it; nothing may be complained about or reached for."""
    page = make_page(shared_site)
    watch = Watch(page)
    sign_in(page, ada)
    opened(page)
    yield page
    assert watch.complaints == []
    assert watch.foreign == []


def opened(page: Page, path: str = TODOS) -> Page:
    page.goto(path)
    page.wait_for_load_state()
    return page


def has(account: Account, *items: str, **values: Any) -> list[str]:
    """Todos that are there before the page is opened; their ids."""
    made = [account.call("POST", "/api/todos", {"item": item, **values}) for item in items]
    assert {each.status for each in made} == {201}, made
    return [each.json["id"] for each in made]


def line(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Add a todo")


def add(page: Page, *lines: str) -> None:
    for text in lines:
        line(page).fill(text)
        line(page).press("Enter")
        expect(line(page)).to_have_value("")


def rows(page: Page) -> Locator:
    return page.locator("#todos-items > .todo > .todo__line .todo__item")


def row(page: Page, item: str) -> Locator:
    return page.locator("#todos-items .todo__line").filter(has=page.get_by_role("link", name=item, exact=True))


def tick(page: Page, item: str) -> Locator:
    return page.get_by_role("checkbox", name=item, exact=True)


def toast(page: Page) -> Locator:
    return page.locator("#todos-toast")


def sheet(page: Page) -> Locator:
    return page.get_by_role("dialog")


@pytest.mark.req("B3", "D1-23")
def test_todos_are_added_by_a_line_ticked_off_undone_and_done_again(todos: Page) -> None:
    expect(todos.get_by_text("Your list is empty.")).to_be_visible()
    add(todos, "Buy milk", "Call Ada")
    expect(rows(todos)).to_have_text(["Buy milk", "Call Ada"])
    expect(toast(todos)).to_contain_text("Added “Call Ada”")

    tick(todos, "Buy milk").click()
    expect(rows(todos)).to_have_text(["Call Ada"])
    toast(todos).get_by_role("button", name="Undo").click()
    expect(rows(todos)).to_have_text(["Buy milk", "Call Ada"])
    expect(toast(todos)).to_contain_text("Open again: “Buy milk”")
    toast(todos).get_by_role("button", name="Redo").click()
    expect(rows(todos)).to_have_text(["Call Ada"])

    todos.get_by_role("link", name="Done", exact=True).click()
    expect(todos).to_have_url(re.compile(r"/todos\?show=done$"))
    tick(todos, "Buy milk").click()
    expect(todos.get_by_text("Nothing is done yet.")).to_be_visible()
    todos.go_back()
    expect(rows(todos)).to_have_text(["Buy milk", "Call Ada"])
    todos.get_by_role("searchbox", name="Find todos").fill("ada")
    todos.keyboard.press("Enter")
    expect(rows(todos)).to_have_text(["Call Ada"])
    todos.get_by_role("link", name="search no more").click()
    expect(rows(todos)).to_have_count(2)


@pytest.mark.req("B3", "D1-23")
def test_a_line_is_explained_while_it_is_written_and_put_right_by_one_tap(todos: Page) -> None:
    line(todos).fill("Meet Ada on 31 Feb at the harbour")
    todos.get_by_role("button", name="Keep “31 Feb” as words").click()
    expect(todos.get_by_text("“31 Feb” as it is")).to_be_visible()
    line(todos).fill("Pay rent every 1st !high")
    expect(todos.get_by_text("every month on the 1st, first on")).to_be_visible()
    expect(todos.get_by_text("Days and times of UTC.")).to_be_visible()
    line(todos).fill("Water plants #home #garden")
    chips = todos.get_by_role("list", name="Understood").get_by_role("listitem")
    expect(chips).to_have_text(["tag home×", "tag garden×"])

    todos.get_by_role("button", name="take “#garden” as plain words").click()
    expect(chips.last).to_contain_text("“#garden” as it is")
    line(todos).press("Enter")

    expect(rows(todos)).to_have_text(["Water plants #garden"])
    expect(todos.get_by_role("link", name="Tag #home")).to_be_visible()
    expect(todos.get_by_role("list", name="Understood")).to_have_count(0)


@pytest.mark.req("B3", "D35")
def test_a_todo_is_changed_in_its_sheet_and_a_mistake_stands_at_its_field(todos: Page, ada: Account) -> None:
    has(ada, "Report")
    opened(todos)
    rows(todos).first.click()
    expect(sheet(todos)).to_be_visible()
    sheet(todos).get_by_label("What", exact=True).fill("The report")
    sheet(todos).get_by_label("Due").fill("31 Feb 2030")
    sheet(todos).get_by_label("Add steps").fill("Read\nWrite")

    sheet(todos).get_by_role("button", name="Save").click()

    due = sheet(todos).get_by_label("Due")
    expect(due).to_be_focused()
    expect(due).to_have_attribute("aria-invalid", "true")
    expect(sheet(todos).get_by_text("Invalid date format: '31 Feb 2030'")).to_be_visible()
    expect(sheet(todos).get_by_label("What", exact=True)).to_have_value("The report")
    assert serious(todos) == []
    due.fill("2030-02-28")
    sheet(todos).get_by_role("button", name="Save").click()
    expect(sheet(todos)).to_have_count(0)
    expect(row(todos, "The report")).to_contain_text("Due Thu 28 Feb 2030")
    expect(row(todos, "The report")).to_contain_text("0 of 2 steps")
    expect(tick(todos, "Write")).to_be_visible()
    assert todos.evaluate(_FOCUSED) == "The report"


@pytest.mark.req("B3")
def test_nothing_is_deleted_unasked_and_every_change_can_be_undone_later(todos: Page, ada: Account) -> None:
    has(ada, "Keep", "Drop")
    opened(todos)
    rows(todos).last.click()
    sheet(todos).get_by_role("link", name="Delete…").click()
    expect(sheet(todos).get_by_role("heading", name="Delete this todo?")).to_be_visible()
    sheet(todos).get_by_role("link", name="Keep it").click()
    expect(rows(todos)).to_have_text(["Keep", "Drop"])

    rows(todos).last.focus()
    todos.keyboard.press("Delete")
    sheet(todos).get_by_role("button", name="Delete").click()
    expect(rows(todos)).to_have_text(["Keep"])

    todos.get_by_role("link", name="Changes").click()
    changes = sheet(todos).get_by_role("listitem")
    expect(changes.first).to_contain_text("Deleted “Drop”")
    changes.first.get_by_role("button", name="Undo").click()
    expect(changes.nth(1)).to_contain_text("Undone")
    todos.keyboard.press("Escape")
    expect(rows(todos)).to_have_text(["Keep", "Drop"])


@pytest.mark.req("B3")
def test_a_todo_is_dragged_and_escape_puts_it_back(todos: Page, ada: Account) -> None:
    has(ada, "a", "b", "c")
    opened(todos)

    def drag(item: str, to: str) -> None:
        row(todos, item).hover()
        grip, target = (box(row(todos, each)) for each in (item, to))
        x = grip["x"] + grip["width"] - 22
        todos.mouse.move(x, grip["y"] + 20)
        todos.mouse.down()
        todos.mouse.move(x, target["y"] + target["height"] - 4, steps=8)

    drag("a", "c")
    expect(rows(todos)).to_have_text(["b", "c", "a"])
    todos.keyboard.press("Escape")
    expect(rows(todos)).to_have_text(["a", "b", "c"])
    todos.mouse.up()
    drag("a", "b")
    todos.mouse.up()
    expect(toast(todos)).to_contain_text("Moved “a”")
    expect(rows(todos)).to_have_text(["b", "a", "c"])
    opened(todos)
    expect(rows(todos)).to_have_text(["b", "a", "c"])


def box(element: Locator) -> Any:
    found = element.bounding_box()
    assert found
    return found


@pytest.mark.req("B3")
def test_everything_is_done_by_keyboard_alone(todos: Page) -> None:
    press = todos.keyboard.press
    press("a")
    expect(line(todos)).to_be_focused()
    for item in ("one", "two", "three"):
        todos.keyboard.type(item)
        press("Enter")
        expect(line(todos)).to_have_value("")
    expect(rows(todos)).to_have_text(["one", "two", "three"])
    press("ArrowDown")
    assert todos.evaluate(_FOCUSED) == "one", "from an empty line one goes on to the list"

    press("ArrowDown")
    press("Alt+ArrowDown")
    expect(rows(todos)).to_have_text(["one", "three", "two"])
    assert todos.evaluate(_FOCUSED) == "two", "it is held while it moves"
    expect(toast(todos)).to_contain_text("Moved “two”")
    press("s")
    expect(sheet(todos).get_by_label("In words")).to_be_focused()
    todos.keyboard.type("2030-01-15")
    press("Enter")
    expect(row(todos, "two")).to_contain_text("Tue 15 Jan 2030")
    assert todos.evaluate(_FOCUSED) == "two"
    press("ArrowUp")
    press("d")
    expect(rows(todos)).to_have_text(["one", "two"])
    until(todos, lambda: todos.evaluate(_FOCUSED) == "two", what="the next one has the focus")
    press("z")
    expect(rows(todos)).to_have_text(["one", "three", "two"])
    press("e")
    expect(sheet(todos).get_by_label("What", exact=True)).to_have_value("two")
    press("Escape")
    expect(sheet(todos)).to_have_count(0)
    press("?")
    expect(sheet(todos).get_by_text("Schedule: give it a day")).to_be_visible()


@pytest.mark.req("B3", "D1-23")
def test_another_tab_follows_and_what_is_at_work_there_is_not_disturbed(todos: Page, ada: Account) -> None:
    items = [f"Number {number}" for number in range(30)]
    has(ada, *items)
    other = opened(todos.context.new_page(), f"{TODOS}?show=someday")
    opened(todos)
    rows(todos).nth(20).focus()
    before = box(rows(todos).nth(20))["y"]
    todos.evaluate("() => { document.querySelector('#todos-items .todo:nth-child(21)').kept = true }")

    tick(other, "Number 3").click()
    expect(rows(todos)).to_have_count(29)

    assert todos.evaluate(_FOCUSED) == "Number 20"
    assert abs(box(row(todos, "Number 20").get_by_role("link"))["y"] - before) < 3, "nothing jumps"
    kept = todos.evaluate("() => [...document.querySelectorAll('#todos-items .todo')].findIndex((row) => row.kept)")
    assert kept == 19, "what stays is not made anew"

    line(todos).fill("Half a")
    rows(todos).first.click()
    notes = sheet(todos).get_by_label("Notes")
    notes.fill("In the middle of")
    made = ada.call("POST", "/api/todos", {"item": "From elsewhere"})
    assert made.status == 201
    expect(rows(todos)).to_have_count(30)
    expect(notes).to_be_focused()
    expect(notes).to_have_value("In the middle of")
    todos.keyboard.press("Escape")
    expect(line(todos)).to_have_value("Half a")
    expect(rows(other).last).to_have_text("From elsewhere")


@pytest.mark.req("B3")
def test_while_something_is_dragged_the_list_holds_still(todos: Page, ada: Account) -> None:
    has(ada, "a", "b", "c")
    opened(todos)
    row(todos, "a").hover()
    at = box(row(todos, "a"))
    x = at["x"] + at["width"] - 22
    todos.mouse.move(x, at["y"] + 20)
    todos.mouse.down()
    todos.mouse.move(x, at["y"] + 75, steps=5)
    expect(rows(todos)).to_have_text(["b", "a", "c"])
    other = opened(todos.context.new_page())

    add(other, "d")
    expect(rows(other)).to_have_text(["a", "b", "c", "d"])
    expect(rows(todos)).to_have_text(["b", "a", "c"])
    todos.bring_to_front()
    todos.mouse.up()

    expect(rows(todos)).to_have_text(["b", "a", "c", "d"])
    expect(rows(other)).to_have_text(["b", "a", "c", "d"])


def test_what_cannot_be_sent_is_said_and_stays(make_page: Callable[..., Page], shared_site: Site, ada: Account) -> None:
    has(ada, "Here")
    todos = opened(sign_in(make_page(shared_site), ada))
    todos.route("**/todos/**/complete*", lambda route: route.abort())
    todos.route(
        re.compile(r"/todos$"), lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )

    tick(todos, "Here").click()
    expect(toast(todos).get_by_role("alert")).to_contain_text("nothing was changed")
    line(todos).fill("Not lost")
    line(todos).press("Enter")
    expect(toast(todos).get_by_role("alert")).to_be_visible()
    expect(line(todos)).to_have_value("Not lost")
    todos.unroute_all()
    line(todos).press("Enter")

    expect(rows(todos)).to_have_text(["Here", "Not lost"])


@pytest.mark.req("B3")
def test_a_phone_has_it_all_within_reach(make_page: Callable[..., Page], shared_site: Site, ada: Account) -> None:
    long = "A todo with quite a number of words, so that it takes more than one line of a phone"
    has(ada, long, "b", "c")
    page = sign_in(make_page(shared_site, **NARROW), ada)
    watch = Watch(page)
    opened(page)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in page.locator(".todo__check, .todo__grip, .filters__link, .quick__add").all():
        size = box(control)
        assert min(size["width"], size["height"]) >= 34, control
        assert size["height"] >= 44
    rows(page).last.tap()
    expect(sheet(page).get_by_label("What", exact=True)).to_have_value("c")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    sheet(page).get_by_role("button", name="Close").tap()
    tick(page, long).tap()
    expect(rows(page)).to_have_count(2)
    undo = box(toast(page).get_by_role("button", name="Undo"))
    agent = page.locator("#agent").bounding_box()
    assert agent is None or undo["y"] + undo["height"] <= agent["y"], "it stands above the agent"
    touch = page.context.new_cdp_session(page)
    start, end = (box(row(page, item)) for item in ("b", "c"))
    point = {"x": start["x"] + start["width"] - 22, "y": start["y"] + 20}
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    for step in range(1, 7):
        moved = {**point, "y": point["y"] + (end["y"] - start["y"] + 15) * step / 6}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [moved]})
    expect(rows(page).last).to_have_text("b")
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(toast(page)).to_contain_text("Moved “b”")
    assert watch.complaints == []


@pytest.mark.req("B3", "D1-23")
def test_everything_works_without_script(make_page: Callable[..., Page], shared_site: Site, ada: Account) -> None:
    page = sign_in(make_page(shared_site, java_script_enabled=False), ada)
    opened(page)
    line(page).fill("Buy milk #home")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("list", name="Understood")).to_be_visible()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(rows(page)).to_have_text(["Buy milk"])

    tick(page, "Buy milk").click()
    expect(page.get_by_text("All done.")).to_be_visible()
    toast(page).get_by_role("button", name="Undo").click()
    expect(rows(page)).to_have_text(["Buy milk"])
    page.get_by_role("link", name="Tag #home").click()
    rows(page).first.click()
    page.get_by_label("What", exact=True).fill("")
    page.get_by_label("Due").fill("2030-01-15")
    page.get_by_label("What", exact=True).evaluate("it => it.removeAttribute('required')")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Is missing.")).to_be_visible()
    expect(page.get_by_label("Due")).to_have_value("2030-01-15")
    page.get_by_label("What", exact=True).fill("Buy bread")
    page.get_by_role("button", name="Save").click()
    expect(row(page, "Buy bread")).to_contain_text("Due Tue 15 Jan 2030")
    row(page, "Buy bread").get_by_role("link", name="Due").click()
    page.get_by_role("button", name="No day").click()
    rows(page).first.click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete").click()
    expect(rows(page)).to_have_count(0)
    page.get_by_role("link", name="Changes").click()
    page.get_by_role("button", name="Undo: Deleted").click()
    opened(page)
    expect(rows(page)).to_have_text(["Buy bread"])
