"""The todo agent as a person talks to it, beside the list."""

import json
from typing import Any, Final

from playwright.sync_api import Locator, Page, expect

from tests.e2e.chats import answer, ask, ended

TODOS: Final = "/todos"


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
