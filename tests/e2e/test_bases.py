"""Bases in a browser: files dropped, picked and pasted, progress that streams, refusals, keyboard, phone, no script."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests import uploads
from tests.e2e import visiting
from tests.e2e.browsing import Watch, sign_in, until
from tests.e2e.clients import Account
from tests.e2e.sites import Site, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

BASES: Final = "/search/bases"
NARROW: Final = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
_DROP: Final = """(files) => {
  const transfer = new DataTransfer()
  for (const [name, text] of files) transfer.items.add(new File([text], name))
  const options = { dataTransfer: transfer, bubbles: true, cancelable: true }
  const page = document.querySelector("main")
  for (const kind of ["dragenter", "dragover", "drop"]) page.dispatchEvent(new DragEvent(kind, options))
}"""
_PASTE: Final = """([name, text]) => {
  const transfer = new DataTransfer()
  transfer.items.add(new File([text], name))
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }))
}"""


@pytest.fixture(scope="session")
def still_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that reads no documents: the tests say what becomes of them."""
    with running(tmp_path_factory.mktemp("still"), INGEST_PROCESSES="0", MAX_UPLOAD_MB="1") as site:
        yield site
        assert site.complaints() == []


class Keeper:
    """Somebody with a base, and its page."""

    def __init__(self, site: Site, page: Page) -> None:
        self.site = site
        self.account = Account(site)
        self.base_id = self.made("/api/v1/kbs", {"name": "Handbook"})["id"]
        self.path = f"{BASES}/{self.base_id}"
        self.page = sign_in(page, self.account)
        self.watch = Watch(page)

    def made(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.account.call("POST", path, body)
        assert answer.status in (201, 202), answer
        return answer.json

    def open(self) -> Page:
        self.page.goto(self.path)
        return self.page

    def add(self, name: str, text: str) -> str:
        """A document, past the page; its id."""
        sent = self.made(f"/api/v1/kbs/{self.base_id}/documents", {"name": name, "text": text})
        return str(sent[0]["id"])

    def names(self) -> list[str]:
        listed = self.account.call("GET", f"/api/v1/kbs/{self.base_id}/documents").json
        return sorted(one["name"] for one in listed["documents"])

    def becomes(self, document_id: str, state: str, **values: Any) -> None:
        """What the ingestion would say of a document."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        changed = {"state": state, "updated_at": now, **values}
        names = ", ".join(f"{name} = ?" for name in changed)
        with contextlib.closing(sqlite3.connect(self.site.data_dir / "rill.sqlite3", timeout=10)) as database:
            database.execute(f"UPDATE documents SET {names} WHERE id = ?", (*changed.values(), document_id))
            database.commit()

    def row(self, name: str) -> Locator:
        return self.page.locator(".bases__document", has_text=name)


@pytest.fixture
def keeper(make_page: Callable[..., Page], still_site: Site) -> Iterator[Keeper]:
    somebody = Keeper(still_site, make_page(still_site))
    yield somebody
    assert somebody.watch.complaints == []
    assert somebody.watch.foreign == []


@pytest.mark.req("B5")
def test_files_are_dropped_picked_and_pasted(keeper: Keeper) -> None:
    page = keeper.open()
    expect(page.get_by_role("button", name="Add", exact=True)).to_be_hidden()

    page.evaluate(_DROP, [["one.md", "# One"], ["two.txt", "Two"], ["three.csv", "a,b"]])
    expect(page.locator(".bases__document")).to_have_count(3)
    page.get_by_label("Files").set_input_files({"name": "four.pdf", "mimeType": "", "buffer": uploads.pdf()})
    page.evaluate(_PASTE, ["five.html", "<!doctype html><p>Five"])

    expect(page.locator(".bases__document")).to_have_count(5)
    expect(page.locator(".bases__upload")).to_have_count(0)
    expect(page.locator(".bases__summary")).to_have_text("5 documents, 5 on their way")
    assert keeper.names() == ["five.html", "four.pdf", "one.md", "three.csv", "two.txt"]
    page.reload()
    expect(page.locator(".bases__document")).to_have_count(5)


def test_a_file_that_is_chosen_before_the_script_has_come_is_sent_too(keeper: Keeper) -> None:
    page = keeper.page
    held: list[Route] = []
    page.route("**/js/bases.js*", lambda route: held.append(route))
    page.goto(keeper.path, wait_until="commit")

    page.get_by_label("Files").set_input_files({"name": "early.pdf", "mimeType": "", "buffer": uploads.pdf()})
    until(page, lambda: bool(held), within_s=15, what="the script is not asked for")
    held[0].continue_()

    expect(page.locator(".bases__document")).to_have_count(1)
    expect(page.get_by_role("button", name="Add", exact=True)).to_be_hidden()


@pytest.mark.req("B5")
def test_progress_streams_to_every_tab_and_ends(keeper: Keeper, make_page: Callable[..., Page]) -> None:
    document_id = keeper.add("notes.md", "# Light")
    other = sign_in(make_page(keeper.site), keeper.account)
    pages = [keeper.open(), other]
    other.goto(keeper.path)
    for page in pages:
        expect(page.locator(".bases__state")).to_contain_text("Waiting for its turn")

    keeper.becomes(document_id, "reading")
    for page in pages:
        expect(page.locator(".bases__state")).to_contain_text("Reading")
    keeper.becomes(document_id, "embedding", done=3, total=8)
    for page in pages:
        expect(page.get_by_role("progressbar")).to_have_js_property("value", 3)
        expect(page.locator(".bases__state")).to_contain_text("Embedding 3 of 8")
    keeper.becomes(document_id, "ready", done=8, pages=1)

    for page in pages:
        expect(page.get_by_role("progressbar")).to_have_count(0)
        expect(page.locator(".bases__summary")).to_have_text("1 document")
    expect(keeper.page.locator("#announcer")).to_have_text("All documents are ready")


def test_what_is_open_stays_open_while_documents_come_and_go(keeper: Keeper) -> None:
    first = keeper.add("a.md", "A")
    second = keeper.add("b.md", "B")
    page = keeper.open()
    keeper.row("a.md").get_by_role("button", name="More").click()
    sheet = page.get_by_role("dialog", name="a.md")
    expect(sheet).to_be_visible()
    sheet.get_by_role("button", name="Index again").focus()

    keeper.add("c.md", "C")
    expect(page.locator(".bases__document")).to_have_count(3)
    assert keeper.account.call("DELETE", f"/api/v1/documents/{second}").status == 204
    expect(page.locator(".bases__document")).to_have_count(2)
    keeper.becomes(first, "embedding", done=1, total=2)
    expect(page.locator(f"#document-{first}-state")).to_contain_text("1 of 2")

    expect(sheet).to_be_visible()
    expect(sheet.get_by_role("button", name="Index again")).to_be_focused()


@pytest.mark.req("B5")
def test_a_failed_document_is_tried_again_and_removed(keeper: Keeper) -> None:
    document_id = keeper.add("notes.md", "# Light")
    keeper.becomes(document_id, "failed", error="is locked with a password")
    page = keeper.open()
    row = keeper.row("notes.md")
    expect(row).to_contain_text("is locked with a password")

    row.get_by_role("button", name="Try again").click()
    expect(row).to_contain_text("Waiting for its turn")
    keeper.becomes(document_id, "ready")
    expect(row.get_by_role("progressbar")).to_have_count(0)
    row.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Index again").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(row).to_contain_text("Waiting for its turn")
    row.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Remove for good").click()

    expect(page.locator(".bases__document")).to_have_count(0)
    expect(page.get_by_text("Add the first above.")).to_be_visible()
    expect(page.locator(".bases__summary")).to_have_text("No documents yet")
    assert keeper.names() == []


@pytest.mark.req("B5")
def test_a_refused_file_says_why_and_the_others_come_in(keeper: Keeper) -> None:
    page = keeper.open()
    keeper.add("notes.md", "# Light")

    files = [["good.md", "Good"], ["empty.md", ""], ["twin.md", "# Light"], ["large.txt", "x" * 1_100_000]]
    page.evaluate(_DROP, files)

    expect(page.locator(".bases__document")).to_have_count(2)
    refused = page.locator(".bases__upload--refused")
    expect(refused).to_have_count(3)
    expect(refused.filter(has_text="empty.md")).to_contain_text("is empty")
    expect(refused.filter(has_text="twin.md")).to_contain_text("same document already: “notes.md”")
    expect(refused.filter(has_text="large.txt")).to_contain_text("is larger than 1 MB")
    refused.filter(has_text="empty.md").get_by_role("button", name="Dismiss empty.md").click()
    expect(refused).to_have_count(2)
    assert keeper.names() == ["good.md", "notes.md"]


def test_a_text_is_pasted_and_its_mistakes_are_told_beside_it(keeper: Keeper) -> None:
    page = keeper.open()
    page.get_by_text("Paste a text").click()
    name, text = page.get_by_role("textbox", name="Name").first, page.get_by_label("Text", exact=True)

    for _ in range(2):
        name.fill("Notes")
        text.fill("# Light")
        page.get_by_role("button", name="Add the text").click()
        expect(page.locator(".bases__document")).to_have_count(1)

    expect(page.get_by_role("alert")).to_contain_text("same document already")
    expect(text).to_have_value("# Light")
    text.fill("# Dark")
    page.get_by_role("button", name="Add the text").click()
    expect(page.locator(".bases__document")).to_have_count(2)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(text).to_have_value("")


@pytest.mark.req("B5")
def test_a_connection_that_breaks_comes_back(keeper: Keeper) -> None:
    document_id = keeper.add("notes.md", "# Light")
    page = keeper.open()
    expect(page.locator(".bases__state")).to_contain_text("Waiting for its turn")

    page.context.set_offline(True)
    keeper.becomes(document_id, "embedding", done=1, total=2)
    keeper.becomes(document_id, "ready")
    page.context.set_offline(False)

    expect(page.locator(".bases__summary")).to_have_text("1 document", timeout=30_000)
    expect(page.get_by_role("progressbar")).to_have_count(0)
    keeper.watch.forget()  # the browser's own words on a network that is away


def test_the_keyboard_alone_adds_retries_and_removes(keeper: Keeper) -> None:
    document_id = keeper.add("notes.md", "# Light")
    keeper.becomes(document_id, "failed", error="is broken")
    page = keeper.open()
    page.get_by_label("Files").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_text("Paste a text")).to_be_focused()
    page.get_by_role("link", name="notes.md").focus()

    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Try again")).to_be_focused()
    page.keyboard.press("Enter")
    expect(keeper.row("notes.md")).to_contain_text("Waiting for its turn")
    page.get_by_role("button", name="More about notes.md").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="More about notes.md")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Remove for good").focus()
    page.keyboard.press("Enter")

    expect(page.locator(".bases__document")).to_have_count(0)


@pytest.mark.req("B5")
def test_everything_works_without_script(make_page: Callable[..., Page], still_site: Site) -> None:
    keeper = Keeper(still_site, make_page(still_site, java_script_enabled=False))
    page = keeper.page
    page.goto(BASES)
    page.get_by_label("Name").fill("Without script")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Without script")

    files = [("a.md", b"A"), ("b.md", b"B"), ("c.exe", b"MZ\x90\x00")]
    chosen = [{"name": name, "mimeType": "", "buffer": content} for name, content in files]
    page.get_by_label("Files").set_input_files(chosen)  # type: ignore[arg-type]
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("1 file was not taken in.")
    expect(page.locator(".bases__document")).to_have_count(2)
    page.get_by_text("Paste a text").click()
    page.get_by_role("textbox", name="Name").first.fill("Notes")
    page.get_by_label("Text", exact=True).fill("# Light")
    page.get_by_role("button", name="Add the text").click()
    expect(page.locator(".bases__document")).to_have_count(3)
    page.get_by_role("link", name="Look again").click()
    page.get_by_role("button", name="More about Notes.md").click()
    page.get_by_role("button", name="Remove for good").click()

    expect(page.locator(".bases__document")).to_have_count(2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    make_page: Callable[..., Page], still_site: Site, device: str, scheme: Any
) -> None:
    more: dict[str, Any] = NARROW if device == "phone" else {}
    keeper = Keeper(still_site, make_page(still_site, color_scheme=scheme, **more))
    friend = Account(still_site, f"a-rather-long-name-{device}-{scheme}@somewhere.department.example.org")
    members = f"/api/v1/kbs/{keeper.base_id}/members"
    assert keeper.account.call("PUT", members, {"email": friend.email, "role": "editor"}).status == 200
    keeper.add("A rather long name of a file about photosynthesis_and_other_things_without_a_space.md", "A")
    keeper.becomes(keeper.add("failed.md", "B"), "failed", error="is locked with a password; save a copy without one")
    keeper.becomes(keeper.add("moving.md", "C"), "embedding", done=3, total=8)
    page = keeper.page

    for path in (BASES, keeper.path):
        page.goto(path)  # its network is never idle: progress streams
        for details in page.locator("details").all():
            details.evaluate("(element) => { element.open = true }")
        widths = page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]")
        assert max(widths) == widths[2], path
        assert visiting.serious(page) == [], path
    for button in page.locator("main button, main input:not([type=hidden]), main select, main summary").all():
        if button.is_visible() and device == "phone" and button.get_attribute("type") != "checkbox":
            box = button.bounding_box()
            assert box
            assert box["height"] >= 34, button
    keeper.row("moving.md").get_by_role("button", name="More").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert visiting.serious(page) == []


@pytest.mark.req("B5")
def test_an_upload_of_500_mb_is_refused_early_and_nothing_is_kept(keeper: Keeper) -> None:
    with keeper.account.connect() as connection:
        connection.putrequest("POST", f"/api/v1/kbs/{keeper.base_id}/documents")
        connection.putheader("Authorization", f"Bearer {keeper.account.token}")
        connection.putheader("Content-Type", "multipart/form-data; boundary=x")
        connection.putheader("Content-Length", str(500 * 1024 * 1024))
        connection.endheaders()
        # Only the beginning is sent: the answer does not wait for the rest.
        connection.send(b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n' + b"x" * 65536)
        refused = connection.getresponse()

        assert refused.status == 413
        assert b"TOO_LARGE" in refused.read()
    assert keeper.names() == []


@pytest.mark.req("B5")
def test_what_is_dropped_can_be_searched_a_moment_later(make_page: Callable[..., Page], shared_site: Site) -> None:
    keeper = Keeper(shared_site, make_page(shared_site))
    page = keeper.open()

    page.evaluate(
        _DROP, [["plants.md", "# Light\n\nPlants make sugar of light."], ["table.csv", "leaf,colour\noak,green"]]
    )
    page.get_by_label("Files").set_input_files(
        {"name": "locked.pdf", "mimeType": "application/pdf", "buffer": uploads.locked_pdf()}
    )

    expect(page.locator(".bases__summary")).to_have_text("3 documents, 1 failed", timeout=60_000)
    expect(keeper.row("locked.pdf")).to_contain_text(re.compile("password"))
    page.get_by_role("link", name="Ask about these documents").click()
    until(page, lambda: "/search" in page.url)
    assert keeper.watch.complaints == []
