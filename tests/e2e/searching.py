"""The search as a person uses it: documents put in, a question, its passages and the reader beside the answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from playwright.sync_api import Locator, Page

from tests.e2e.browsing import until, words
from tests.e2e.chats import answer
from tests.e2e.clients import Account
from tests.e2e.files import pdf
from tests.e2e.sites import Model

SEARCH: Final = "/search"
QUESTION: Final = "How much notice must a tenant give?"
NOTICE: Final = "A tenant gives three months notice in writing."
HANDBOOK: Final = pdf(
    [
        "Housing handbook.\nIt tells of keys, rooms and bicycles.",
        f"Ending a tenancy.\n{NOTICE}\nThe landlord confirms it within ten days.",
    ]
)
DEPOSIT: Final = "The deposit comes back eight weeks after the keys were handed over."
FILES: Final = (
    ("handbook.pdf", "application/pdf", HANDBOOK),
    ("faq.md", "text/markdown", f"# Money\n\n## Deposit\n\n{DEPOSIT}\n\n## Rent\n\nRent is due on the third.".encode()),
    ("minutes.txt", "text/plain", b"Minutes of May.\n\nThe tenants asked for a shorter notice. Nothing was decided."),
)
FIRST: Final = "Three months are needed [1]."
HALF: Final = "Three months are needed"
LAST: Final = "That is all there is to it."
TEXT: Final = f"{FIRST}\n\nIt is given in writing [1], and what was said in May changes nothing [2].\n\n{LAST}"
_READY_WITHIN_S: Final = 60.0


def given(*files: tuple[str, str, bytes]) -> list[dict[str, Any]]:
    """Files as a browser's field takes them."""
    return [{"name": name, "mimeType": kind, "buffer": data} for name, kind, data in files]


def new_base(page: Page, name: str = "Housing") -> str:
    """Make a base as a person does; its id."""
    page.goto("/search/bases")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url(lambda url: "/search/bases/" in url)
    return page.url.rstrip("/").rsplit("/", 1)[-1]


def put_in(page: Page, *files: tuple[str, str, bytes]) -> None:
    """Choose files on a base's page, and wait until all can be searched."""
    base_id = page.url.partition("#")[0].partition("?")[0].rstrip("/").rsplit("/", 1)[-1]
    page.get_by_label("Files").set_input_files(given(*files))
    ready(page, base_id, len(files))


def ready(page: Page, base_id: str, count: int) -> None:
    """Wait until so many documents of a base can be searched."""

    def are_ready() -> bool:
        told = page.context.request.get(f"/api/v1/kbs/{base_id}").json()
        assert told["failed"] == 0, page.context.request.get(f"/api/v1/kbs/{base_id}/documents").text()
        return bool(told["ready"] == count)

    until(page, are_ready, within_s=_READY_WITHIN_S, what="the documents are not ready")


def stocked(account: Account, texts: Mapping[str, str], name: str = "Housing") -> str:
    """A base with these texts, put in by the API; its id. They may still be on their way."""
    made = account.call("POST", "/api/v1/kbs", {"name": name})
    assert made.status == 201, made
    base_id: str = made.json["id"]
    for title, text in texts.items():
        sent = account.call("POST", f"/api/v1/kbs/{base_id}/documents", {"name": title, "text": text})
        assert sent.status == 202, sent
    return base_id


def ask(page: Page, question: str = QUESTION) -> None:
    """Ask, and wait until an answer runs."""
    page.wait_for_load_state()  # by then Enter sends
    before = page.locator(".turn").count()
    page.get_by_label("Your question", exact=True).fill(question)
    page.get_by_label("Your question", exact=True).press("Enter")
    page.locator(".turn").nth(before).locator(".answer").wait_for()


def asked(page: Page, model: Model, text: str = TEXT, question: str = QUESTION, **script: Any) -> None:
    """Ask, and have it answered so."""
    model.play(text=text, **script)
    ask(page, question)


def box(locator: Locator) -> dict[str, float]:
    """Where an element is, in whole pixels."""
    found = locator.bounding_box()
    assert found
    return {name: round(value) for name, value in found.items()}


def cards(page: Page) -> Locator:
    """The passages that the latest question found."""
    return answer(page).locator(".passage:not(.passage--waiting)")


def number(page: Page, which: int) -> Locator:
    """A number in the latest answer's text."""
    return answer(page).locator(".answer__body").get_by_role("link", name=f"Source {which}", exact=True).first


def sources(page: Page) -> Locator:
    """What the latest answer cites."""
    return answer(page).get_by_role("region", name="Sources").get_by_role("listitem")


def reader(page: Page) -> Locator:
    """What is read beside the answer."""
    return page.locator("#reader")


def highlighted(place: Locator | Page) -> str:
    """The text that is marked."""
    return words(" ".join(place.locator("mark").all_inner_texts()))


def names(found: Locator) -> Sequence[str]:
    """The documents' names on cards or in lists."""
    return [words(name) for name in found.locator("a").all_inner_texts()]
