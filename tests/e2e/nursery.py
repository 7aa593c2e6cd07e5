"""A child's screen in a browser: how it is come to, read and left; and voices that stand in for a device's."""

import re
from typing import Any, Final

from playwright.sync_api import Page, expect

from tests.e2e.browsing import sign_in
from tests.e2e.clients import Account
from tests.e2e.sites import Site

PIN: Final = "4071"
SHELF: Final = "/stories/child"
SMALL_PHONE: Final = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
TABLET: Final = {"viewport": {"width": 820, "height": 1180}, "has_touch": True}

# What the page finds in the place of the device's voices. It says nothing by itself: a test ends each sentence, and
# tells each word, so that nothing depends on how fast anything is.
VOICES: Final = """(() => {
  class Utterance { constructor(text) { Object.assign(this, { text, rate: 1, voice: null, lang: "" }) } }
  const voices = WITH_VOICES ? [
    { name: "Far away", lang: "en-US", voiceURI: "far", localService: false },
    { name: "Nora", lang: "en-GB", voiceURI: "nora", localService: true },
    { name: "Anders", lang: "en-US", voiceURI: "anders", localService: true },
  ] : []
  const said = { spoken: [], current: null }
  const synthesis = Object.assign(new EventTarget(), {
    getVoices: () => voices,
    speak(utterance) {
      said.current = utterance
      said.spoken.push({ text: utterance.text, voice: utterance.voice?.name, rate: utterance.rate })
      utterance.onstart?.({})
    },
    cancel() {
      const stopped = said.current
      said.current = null
      stopped?.onerror?.({ error: "canceled" })
    },
  })
  Object.defineProperty(globalThis, "speechSynthesis", { value: synthesis })
  globalThis.SpeechSynthesisUtterance = Utterance
  globalThis.standIn = {
    spoken: () => said.spoken,
    isSpeaking: () => said.current !== null,
    word(at) {
      const words = [...said.current.text.matchAll(/\\S+/g)]
      said.current.onboundary?.({ name: "word", charIndex: words[at].index })
    },
    end() {
      const ended = said.current
      said.current = null
      ended.onend?.({})
    },
  }
})()"""


def voices(*, are_there: bool = True) -> str:
    """The script that puts them there."""
    return VOICES.replace("WITH_VOICES", "true" if are_there else "false")


def add_child(account: Account, **facts: Any) -> int:
    """A child of theirs; its id."""
    made = account.call("POST", "/api/v1/children", {"name": "Mia", "age": 7, "pronouns": "she", **facts})
    assert made.status == 201, made.body
    return int(made.json["id"])


def hand_over(page: Page, *, ideas: bool = False, bedtime: bool = False) -> None:
    """Give the browser, which is signed in, to the child, from the page of the stories on."""
    page.goto("/stories")
    page.get_by_role("link", name=re.compile("^Hand over to")).first.click()
    if page.locator("#hand-pin").count():
        page.locator("#hand-pin").fill(PIN)
        page.locator("#hand-pin-again").fill(PIN)
    page.locator("[name=ideas]").set_checked(ideas)
    page.locator("[name=bedtime]").set_checked(bedtime)
    page.get_by_role("button", name="Hand over").click()
    page.wait_for_url(f"**{SHELF}")


def open_nursery(page: Page, site: Site, *, child: dict[str, Any] | None = None, **chosen: bool) -> Account:
    """Somebody new with a child, whose browser is handed over."""
    account = Account(site)
    add_child(account, **(child or {}))
    sign_in(page, account)
    hand_over(page, **chosen)
    return account


def begin(page: Page, theme: str = "Forest") -> None:
    """Press a cover; the first words are on the page then."""
    page.get_by_role("button", name=theme).click()
    page.wait_for_url(f"**{SHELF}/*")
    shown(page).first.wait_for()


def shown(page: Page) -> Any:
    """The paragraphs that can be read."""
    return page.locator(".story__p:visible")


def read_to_its_end(page: Page) -> None:
    """Show all of the chapter, and wait for what comes next."""
    everything = page.get_by_role("button", name="Show all")
    if everything.is_visible():
        everything.click()
    expect(page.locator("#next").locator(".choices, .the-end, .gentle")).to_be_visible(timeout=30_000)
    expect(page.locator("[data-progress]")).to_be_hidden()


def leave(page: Page) -> None:
    """By the PIN."""
    page.goto("/stories/leave")
    page.get_by_label("PIN", exact=True).fill(PIN)
    page.get_by_role("button", name="Leave").click()
    page.wait_for_url("**/stories")
