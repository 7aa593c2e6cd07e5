"""The tutor's page as a person uses it."""

from typing import Final

from playwright.sync_api import Locator, Page

from tests.e2e.browsing import words

PROBLEM: Final = "/tutor/odd-sock"
QUESTION: Final = "Where do I begin?"
# Keeps the lengths of the latest answer's text, as it is painted.
_LENGTHS: Final = """() => {
  window.lengths = []
  const note = () => {
    const length = [...document.querySelectorAll(".answer__body")].at(-1)?.innerText.trim().length ?? 0
    if (length !== lengths.at(-1)) lengths.push(length)
  }
  const turns = document.querySelector("#turns")
  new MutationObserver(note).observe(turns, { childList: true, subtree: true, characterData: true })
}"""


def composer(page: Page) -> Locator:
    """The field for a message."""
    return page.get_by_label("Your message")


def ask(page: Page, message: str = QUESTION) -> None:
    """Send a message, and wait until an answer runs."""
    page.wait_for_load_state()  # by then Enter sends
    before = page.locator(".turn").count()
    composer(page).fill(message)
    composer(page).press("Enter")
    page.locator(".turn").nth(before).locator(".answer").wait_for()


def answer(page: Page) -> Locator:
    """The latest answer."""
    return page.locator(".answer").last


def shown(page: Page) -> str:
    """The latest answer's text."""
    return words(answer(page).locator(".answer__body").inner_text())


def shows(page: Page, text: str) -> None:
    """Wait until the latest answer's text holds this."""
    page.wait_for_function(
        """(text) => [...document.querySelectorAll(".answer__body")].at(-1)
             ?.innerText.replace(/\\s+/g, " ").trim().includes(text)""",
        arg=words(text),
    )


def ended(page: Page, outcome: str = "completed") -> None:
    """Wait until the latest answer has ended so."""
    answer(page).locator(f".outcome--{outcome}").wait_for(state="attached")


def watch_lengths(page: Page) -> None:
    """From now on `window.lengths` tells how the latest answer's text grew."""
    page.evaluate(_LENGTHS)
