"""The page of files and the pages of their text: by mouse, by keyboard, on a phone, in the dark, and without script."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests import uploads
from tests.e2e import visiting
from tests.e2e.browsing import Watch, sign_in
from tests.e2e.clients import Account
from tests.e2e.conftest import PHONE
from tests.e2e.sites import Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PDF = uploads.pdf(["Light and water become sugar.", "Leaves are green.", ""])


@pytest.fixture
def files(make_page: Callable[..., Page], shared_site: Site, ada: Account) -> Page:
    """Ada's page of files."""
    page = sign_in(make_page(shared_site), ada)
    page.goto("/media")
    return page


def pick(page: Page, name: str, content: bytes, mime: str = "application/octet-stream") -> None:
    page.get_by_label("File", exact=True).set_input_files({"name": name, "mimeType": mime, "buffer": content})


def add(page: Page, name: str, content: bytes) -> None:
    pick(page, name, content)
    page.get_by_role("button", name="Add", exact=True).click()


def delete(item: Locator) -> None:
    item.locator("summary").click()
    item.get_by_role("button", name="Delete").click()


@pytest.mark.req("D1-27")
def test_files_are_added_read_and_deleted(files: Page) -> None:
    watch = Watch(files)
    add(files, "leaf.jpg", uploads.photo())
    add(files, "homework <b>.pdf", PDF)

    items = files.locator(".media__item")
    expect(items).to_have_count(2)
    expect(items.first).to_contain_text("homework <b>.pdf")
    expect(items.first).to_contain_text("3 pages")
    shown = "image => image.complete && image.naturalWidth > 0"
    for picture in files.locator(".media__picture").all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate(shown)

    items.first.get_by_role("link", name="Read the text").click()
    expect(files.locator(".media__text")).to_have_text("Light and water become sugar.")
    files.get_by_role("link", name="Page 2").click()
    expect(files.locator(".media__text")).to_have_text("Leaves are green.")
    files.get_by_role("link", name="Page 3").click()
    expect(files.get_by_text("No text was found on this page.")).to_be_visible()
    files.get_by_role("link", name="All files").click()

    delete(items.first)
    expect(items).to_have_count(1)
    files.reload()
    expect(items).to_have_count(1)
    assert watch.complaints == []
    assert watch.foreign == []


@pytest.mark.req("D1-27")
def test_a_file_that_is_refused_is_explained_on_the_page(files: Page) -> None:
    add(files, "secret.pdf", uploads.locked_pdf())

    expect(files.get_by_role("alert")).to_contain_text("is locked with a password")
    expect(files.locator(".media__item")).to_have_count(0)


def test_everything_works_without_script(make_page: Callable[..., Page], shared_site: Site, ada: Account) -> None:
    page = sign_in(make_page(shared_site, java_script_enabled=False), ada)
    page.goto("/media")

    add(page, "notes.md", b"# Notes\n\nLeaves are green.")
    page.get_by_role("link", name="Read the text").click()
    expect(page.locator(".media__text")).to_contain_text("Leaves are green.")
    page.go_back()
    delete(page.locator(".media__item"))

    expect(page.get_by_text("None yet.")).to_be_visible()


def test_the_keyboard_alone_adds_reads_and_deletes(files: Page) -> None:
    pick(files, "notes.md", b"Leaves are green.")
    files.get_by_label("File", exact=True).focus()
    files.keyboard.press("Tab")
    expect(files.get_by_role("button", name="Add", exact=True)).to_be_focused()
    files.keyboard.press("Enter")
    expect(files.locator(".media__item")).to_have_count(1)

    files.get_by_role("link", name="notes.md", exact=True).focus()
    files.keyboard.press("Tab")
    expect(files.get_by_role("link", name="Read the text")).to_be_focused()
    for key in ("Tab", "Enter", "Tab", "Enter"):
        files.keyboard.press(key)

    expect(files.locator(".media__item")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    make_page: Callable[..., Page], shared_site: Site, ada: Account, device: str, scheme: Any
) -> None:
    page = sign_in(make_page(shared_site, color_scheme=scheme, **(PHONE if device == "phone" else {})), ada)
    page.goto("/media")
    add(page, "A rather long name of a file about photosynthesis_and_other_things_without_a_space.pdf", PDF)
    expect(page.locator(".media__item")).to_have_count(1)

    for path in ("/media", page.get_by_role("link", name=re.compile("Read the text")).get_attribute("href")):
        assert path
        page.goto(path)
        page.wait_for_load_state("networkidle")
        for details in page.locator(".media__delete").all():
            details.evaluate("(element) => { element.open = true }")
        assert visiting.serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
