"""The study chat as a person uses it, besides what chats.py has for all assistants."""

import base64
from typing import Any, Final

from playwright.sync_api import JSHandle, Locator, Page

from tests.e2e.browsing import words
from tests.e2e.sites import Model, prose

STUDY: Final = "/study"
QUESTION: Final = "Why is the sky blue?"
TEXT_FILE: Final = ("list.txt", "text/plain", b"Words to learn: scatter, molecule.")
TEXT: Final = prose(80, seed=8)
FIRST: Final = 40
HALF: Final = words(" ".join(TEXT.split()[:30]))
_TRANSFER: Final = """(files) => {
  const transfer = new DataTransfer()
  for (const { name, type, data } of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0))], name, { type }))
  }
  return transfer
}"""


def given(page: Page, *files: tuple[str, str, bytes]) -> JSHandle:
    """Files as the browser hands them to a page: name, type, bytes of each."""
    told = [{"name": name, "type": kind, "data": base64.b64encode(data).decode()} for name, kind, data in files]
    return page.evaluate_handle(_TRANSFER, told)


def drop(page: Page, *files: tuple[str, str, bytes]) -> None:
    """Drag files over the conversation and let go."""
    transfer = given(page, *files)
    log = page.locator("#chat-log")
    for kind in ("dragenter", "dragover", "drop"):
        log.dispatch_event(kind, {"dataTransfer": transfer})


def paste(page: Page, *files: tuple[str, str, bytes]) -> None:
    """Paste files into the message."""
    page.locator("#message").evaluate(
        "(field, clipboardData) => field.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }))",
        given(page, *files),
    )


def pick(page: Page, *files: tuple[str, str, bytes]) -> None:
    """Choose files in the system's dialog."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Add files").click()
    chooser.value.set_files([{"name": name, "mimeType": kind, "buffer": data} for name, kind, data in files])


def attached(page: Page) -> Locator:
    """The files that are there and go with the next message."""
    return page.locator("#attached [data-file]")


def points_left(page: Page) -> int:
    """What the meter says."""
    return int(page.locator("#points-meter strong").inner_text().replace(",", ""))


def ledger(page: Page) -> dict[str, Any]:
    """Where the person stands, as the ledger says."""
    answer: dict[str, Any] = page.context.request.get("/api/points").json()
    return answer


def stall(model: Model, text: str = TEXT) -> None:
    """The next answer falls silent in its middle until it is released."""
    model.play(text=text, stall_after=FIRST)


def turns(page: Page) -> list[str]:
    """What was asked, as the page shows it."""
    return page.locator(".turn__question").all_inner_texts()
