"""The history as a person uses it: lists, menus and the palette."""

from playwright.sync_api import Locator, Page

from tests.e2e.chats import ask, ended
from tests.e2e.sites import Model
from tests.e2e.studying import STUDY


def told(page: Page, model: Model, question: str, text: str) -> str:
    """Ask in a new study conversation; its page."""
    page.goto(STUDY)
    model.play(text=text)
    ask(page, question)
    ended(page)
    page.wait_for_url("**/study/*")
    return page.url


def palette(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Search conversations and pages")


def options(page: Page) -> Locator:
    return palette(page).get_by_role("option")


def titles(page: Page) -> Locator:
    """What the list, or the panel, holds."""
    return page.locator(".past__title")


def menu(page: Page, title: str) -> Locator:
    """The open menu of a conversation in a list."""
    item = page.locator(".past").filter(has_text=title)
    item.locator(".past__open").click()
    return item.locator(".past__menu")
