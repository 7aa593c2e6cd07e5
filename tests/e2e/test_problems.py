"""Every bundled problem, as a page: nothing of it is wider than what shows it."""

from collections.abc import Callable
from typing import Final

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from services.assistants.problem_bank import bundled
from tests.e2e.browsing import sign_in
from tests.e2e.clients import Account
from tests.e2e.sites import Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PHONE: Final = ViewportSize(width=390, height=844)
DESKTOP: Final = ViewportSize(width=1280, height=900)
CUT: Final = """() => [...document.querySelectorAll(".prose .math--display")]
  .filter((formula) => formula.scrollWidth > formula.clientWidth).length"""


def test_no_problem_scrolls_sideways(ada: Account, make_page: Callable[..., Page], shared_site: Site) -> None:
    page = sign_in(make_page(shared_site), ada)
    pages, formulas = [], []

    for name, problem in bundled().items():
        page.set_viewport_size(PHONE)
        page.goto(f"/tutor/{name}")
        expect(page.locator(".katex").first).to_be_visible()
        if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            pages.append(problem.title)
        page.set_viewport_size(DESKTOP)
        if page.evaluate(CUT):
            formulas.append(problem.title)

    assert pages == [], "a wide formula scrolls within itself"
    assert formulas == [], "on a desktop every formula is seen whole"
