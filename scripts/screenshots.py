"""Pictures of every page for docs/screenshots: desktop and phone, light and dark. Run by `make screenshots`.

They are of the real site, with a scripted model where a page's state must hold still.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from scripts.story_pictures import stories
from tests.e2e.browsing import sign_in, until
from tests.e2e.chats import PROBLEM, answer, ask, composer, ended, shows
from tests.e2e.clients import Account
from tests.e2e.conftest import FLAGS
from tests.e2e.files import pdf, photo
from tests.e2e.searching import stocked
from tests.e2e.sites import Model, Site, running
from tests.e2e.studying import QUESTION, attached, drop

FOLDER: Final = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
SIZES: Final = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
SCHEMES: Final = ("light", "dark")
MAX_BYTES: Final = 150_000

_HINT: Final = r"""You have the right picture: each pair shows up **twice**, and only one number is alone.

Think about an operation on two numbers that *forgets* a pair. For example

$$a \oplus a = 0 \qquad \text{and} \qquad a \oplus 0 = a$$

| read | what is left |
| --- | --- |
| 4 | 4 |
| 9 | 4 and 9 together |
| 4 | 9 |

1. What happens to `[4, 9, 4]` if the order changes?
2. How many numbers do you have to keep while you read the list?
"""
_TESTS: Final = """
Before you write it, try these by hand.

```tests
socks = [7] => 7 | a single sock
socks = [5, 1, 5, 2, 2] => 1 | the odd one stands between pairs
socks = [0, 3, 3] => 0 | zero is a number too
```
"""
_QUESTION: Final = "I thought of counting every number, but that takes too much memory. Is there another way?"
_CODE: Final = """def solve(socks):
    seen = {}
    for sock in socks:
        seen[sock] = seen.get(sock, 0) + 1
    return next(s for s, n in seen.items() if n == 1)
"""


_PAGES: Final = (
    "Optics, chapter 3.\nLight is bent where it enters glass or water.",
    "Blue light is scattered about four times as much as red light\nby the molecules of the air.",
)
_STUDIED: Final = r"""**Because air scatters blue light more than red light** [2].

Sunlight holds all colours. On its way through the air, light of a short wavelength is sent in all directions, about
four times as much for blue as for red [2]. The strength goes with the wavelength $\lambda$ as

$$I \propto \frac{1}{\lambda^4}$$

1. Look away from the sun: what reaches you has been scattered, so it is mostly blue.
2. Look at the sun when it stands low: what is left of its light is red.
"""


_NEXT: Final = """
<<<NEXT>>>
Why is the evening sun red then?
Why does the strength go with the fourth power?
Why is the sky not violet?
"""
_CARDS: Final = [
    {"front": "Why is the sky blue?", "back": "Air scatters blue light about four times as much as red light."},
    {
        "front": "How does scattering go with the wavelength?",
        "back": r"With its fourth power: $I \propto 1/\lambda^4$.",
    },
    {"front": "What reaches you from a clear sky?", "back": "Light that has been scattered, so mostly blue."},
    {"front": "Why is the evening sun red?", "back": "On its long way through the air the blue light has been lost."},
    {"front": "What scatters the light?", "back": "The molecules of the air."},
]
_QUIZ: Final = [
    {
        "question": "Which light is scattered most?",
        "options": ["Red", "Green", "Blue"],
        "answer": 2,
        "why": "Its wavelength is the shortest of the three.",
    },
    {
        "question": "What happens to scattering at half the wavelength?",
        "options": ["It doubles", "It grows sixteenfold", "It stays"],
        "answer": 1,
        "why": "Two to the fourth power is sixteen.",
    },
]
_HANDBOOK: Final = """# Housing handbook

## Ending a tenancy

A tenant gives three months notice in writing. The landlord confirms it within ten days.

## Keys

Every tenant has two keys. A lost key is paid for by whoever lost it.
"""
_FAQ: Final = """# Money

## Deposit

The deposit comes back eight weeks after the keys were handed over.

## Rent

Rent is due on the third of each month.
"""
_TODOS: Final = (
    {"item": "Pay rent", "due_time": "2026-01-01", "recurrence": "every month on the 1st", "importance": "high"},
    {"item": "Call Ada", "start_time": "today 17:00", "tags": ["calls"]},
    {
        "item": "Write the report",
        "due_time": "tomorrow 14:00",
        "project": "Work",
        "notes": "Two pages are enough.",
        "subtasks": ["Gather the figures", "Draft", "Ask Grace to read it"],
    },
    {"item": "Buy oat milk", "tags": ["home"], "importance": "low"},
    {"item": "Renew the passport", "project": "Travel"},
)


class Camera:
    """One page, pictured in each size and scheme."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._devtools = page.context.new_cdp_session(page)

    def take(self, name: str, before: Callable[[], None] = lambda: None) -> None:
        """Four pictures; `before` brings what matters into view after each change of size."""
        for size, viewport in SIZES.items():
            self.page.set_viewport_size(viewport)
            self._devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": size == "phone"})
            before()
            for scheme in SCHEMES:
                self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                path = FOLDER / f"{name}-{size}-{scheme}.png"
                shot = self.page.screenshot(animations="disabled", caret="hide")
                Image.open(BytesIO(shot)).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(
                    path, optimize=True
                )
                assert path.stat().st_size <= MAX_BYTES, f"{path.name} has {path.stat().st_size} bytes"
        self.page.set_viewport_size(SIZES["desktop"])
        self._devtools.send("Emulation.setTouchEmulationEnabled", {"enabled": False})

    def visit(self, path: str, name: str) -> None:
        """Go there and picture it."""
        self.page.goto(path, wait_until="networkidle")
        self.take(name)


def main() -> int:
    """Take them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        Model() as model,
        running(
            Path(directory), OPENAI_BASE_URL=model.base_url, OPENAI_MODEL="example-model", TUTOR_RATE_LIMIT="5/minute"
        ) as site,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(FLAGS))
        strangers(Camera(new_page(browser, site)))
        owner = Account(site, "ada@example.org")
        members(Camera(sign_in(new_page(browser, site), owner)), owner)
        answers(Camera(sign_in(new_page(browser, site), owner)), model, owner)
        studies(Camera(sign_in(new_page(browser, site), owner)), model)
        learns(Camera(sign_in(new_page(browser, site), owner)), model, owner)
        searches(Camera(sign_in(new_page(browser, site), owner)), model, owner)
        lists(Camera(sign_in(new_page(browser, site), owner)), model, owner)
        operates(Camera(sign_in(new_page(browser, site), owner)))
        plain = new_page(browser, site, java_script_enabled=False)
        without_script(Camera(sign_in(plain, Account(site, "grace@example.org"))), model)
        stories(browser, Camera, new_page)
        browser.close()
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}")
    return 0


def new_page(browser: Browser, site: Site, *, java_script_enabled: bool = True) -> Page:
    """A page in a context of its own."""
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{site.port}",
        viewport=SIZES["desktop"],
        java_script_enabled=java_script_enabled,
    )
    return context.new_page()


def strangers(camera: Camera) -> None:
    """What one sees without an account."""
    camera.visit("/", "home")
    camera.visit("/register", "register")
    camera.visit("/login", "login")
    camera.visit("/nothing-here", "not-found")


def members(camera: Camera, owner: Account) -> None:
    """Pages of somebody who has been here for a while."""
    owner.call("POST", "/api/auth/tokens", {"name": "my editor"})
    result = {"visible_passed": 4, "visible_total": 4, "hidden_passed": 6, "hidden_total": 6, "categories": []}
    sent = {"problem_id": "odd-sock", "code": _CODE, "language": "python", "status": "accepted"}
    owner.call("POST", "/v1/tutor/submissions", {**sent, **result})
    camera.visit("/tutor", "problems")
    camera.visit("/tutor/new", "own-problem")
    camera.visit("/account", "account")


def answers(camera: Camera, model: Model, owner: Account) -> None:
    """A problem's page, and its answers in every state."""
    page = camera.page
    missing = {"visible_passed": 4, "visible_total": 4, "hidden_passed": 4, "hidden_total": 6}
    sent = {"problem_id": "odd-sock", "code": _CODE, "language": "python", "status": "wrong_answer"}
    owner.call("POST", "/v1/tutor/submissions", {**sent, **missing, "categories": ["large input"]})
    camera.visit(PROBLEM, "problem")
    model.play(text=_HINT + _TESTS, stall_after=60)
    ask(page, _QUESTION)
    shows(page, "what is left")
    camera.take("mid-answer", lambda: in_view(page))
    model.release()
    ended(page)
    page.get_by_role("region", name="Suggested tests").wait_for()
    camera.take("answer", lambda: in_view(page))
    model.reset()
    model.play(text=_HINT, stall_after=45)
    ask(page, "Why does the order not matter?")
    shows(page, "Think about an operation")
    page.get_by_role("button", name="Stop", exact=True).click()
    ended(page, "stopped")
    camera.take("stopped", lambda: in_view(page))
    model.play(text=_HINT, cut_after=26)
    ask(page, "And with zero in the list?")
    ended(page, "failed")
    camera.take("error", lambda: in_view(page))


def studies(camera: Camera, model: Model) -> None:
    """The study chat: empty, with files, in mid-answer with a queue, with versions; and what stands beside it."""
    page = camera.page
    camera.visit("/study", "study-new")
    drop(page, ("optics.pdf", "application/pdf", pdf(_PAGES)), ("homework.png", "image/png", photo()))
    attached(page).nth(1).wait_for()
    composer(page).fill(QUESTION)
    page.get_by_text("About").last.wait_for()
    camera.take("study-files")
    model.play(text=_STUDIED + _NEXT, stall_after=50)
    ask(page, QUESTION)
    shows(page, "four times")
    composer(page).fill("And why is the evening sky red?")
    composer(page).press("Enter")
    camera.take("study-mid-answer", lambda: in_view(page))
    page.get_by_role("button", name="Remove", exact=True).click()
    model.release()
    ended(page)
    model.play(text=_STUDIED + _NEXT)
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("group", name="Versions of this answer").wait_for()
    ended(page)
    answer(page).get_by_role("button", name="Bookmark").click()
    answer(page).locator(".action[aria-pressed=true]").wait_for()
    page.locator(".details summary").last.click()
    camera.take("study-answer", lambda: in_view(page))
    page.get_by_text("Edit", exact=True).first.click()
    camera.take("study-edit", lambda: page.evaluate("scrollTo(0, 0)"))
    camera.visit("/points", "points")
    camera.visit("/history", "history")
    camera.visit("/history?bookmarked=1", "bookmarks")
    camera.visit("/media", "files")


def learns(camera: Camera, model: Model, owner: Account) -> None:
    """Cards and a quiz, from an answer of the study chat to a review."""
    page = camera.page
    conversation = owner.call("GET", "/api/conversations?assistant=study").json["conversations"][0]["id"]
    answers = owner.call("GET", f"/api/conversations/{conversation}").json["messages"]
    camera.visit(f"/study/cards/from/{answers[-1]['id']}", "cards-offer")
    model.play(text=json.dumps({"cards": _CARDS, "quiz": _QUIZ}))
    page.get_by_role("button", name="Make them").click()
    page.wait_for_url("**/study/cards/decks/*")
    page.wait_for_load_state("networkidle")
    camera.take("deck")
    deck = page.url.partition("?")[0]
    camera.visit(f"{deck}/quiz", "quiz")
    camera.visit(f"{deck}/sheet", "sheet")
    page.goto("/study/cards/review", wait_until="networkidle")
    page.keyboard.press("Space")
    page.locator("[data-back]").wait_for()
    camera.take("review")
    camera.visit("/study/cards", "cards")


def searches(camera: Camera, model: Model, owner: Account) -> None:
    """Documents, a question to them, and its passages."""
    page = camera.page
    base_id = stocked(owner, {"handbook.md": _HANDBOOK, "faq.md": _FAQ})
    until(page, lambda: owner.call("GET", f"/api/v1/kbs/{base_id}").json["ready"] == 2, what="they are not ready")
    camera.visit("/search/bases", "bases")
    camera.visit(f"/search/bases/{base_id}", "base")
    camera.visit("/search", "search-new")
    model.play(
        text="A tenant gives **three months** notice, in writing [1]. The deposit comes back eight weeks after [2]."
    )
    page.locator("#message").fill("How much notice must a tenant give, and when does the deposit come back?")
    page.locator("#message").press("Enter")
    page.locator(".answer").last.wait_for()
    ended(page)
    camera.take("search-answer", lambda: in_view(page))


def lists(camera: Camera, model: Model, owner: Account) -> None:
    """A list of todos with a line that is being written, a todo's sheet, and the agent. The page is never idle."""
    page = camera.page
    for todo in _TODOS:
        assert owner.call("POST", "/api/todos", todo).status == 201
    page.goto("/todos")
    page.get_by_label("Add a todo").fill("Water the plants every 3 days 8am !low #home")
    page.get_by_role("list", name="Understood").wait_for()
    camera.take("todos", lambda: page.evaluate("scrollTo(0, 0)"))
    page.get_by_role("link", name="Write the report").click()
    page.get_by_label("Due").wait_for()
    camera.take("todo")
    page.goto("/todos?session=new")
    calls = [
        ("create_todo", json.dumps({"item": "Call the dentist", "start_time": "2026-12-01 09:00:00"})),
        ("create_todo", json.dumps({"item": "Send the invoice", "due_time": "2026-11-30", "importance": "high"})),
    ]
    model.play(text="", tool_calls=calls, finish="tool_calls")
    model.play(text="Both are on your list. The invoice is marked as important.")
    page.locator("#message").fill("Dentist on the 1st at nine, and the invoice must go out by Monday, important!")
    page.locator("#message").press("Enter")
    page.locator(".answer").last.wait_for()
    ended(page)
    camera.take("todo-agent", lambda: page.evaluate("scrollTo(0, 0)"))


def operates(camera: Camera) -> None:
    """What an admin sees of how the site is doing."""
    camera.visit("/admin", "admin")


def in_view(page: Page) -> None:
    """The end of the latest answer, just above the composer."""
    page.evaluate(
        """() => {
          const log = document.querySelector("#chat-log")
          log.scrollTop = log.scrollHeight
          const isApart = getComputedStyle(log).overflowY !== "visible"
          scrollTo(0, isApart ? 0 : document.documentElement.scrollHeight)
        }"""
    )


def without_script(camera: Camera, model: Model) -> None:
    """The answer that streams into a page of its own."""
    page = camera.page
    page.goto(PROBLEM)
    model.play(text=_HINT + _TESTS, stall_after=75)
    composer(page).fill(_QUESTION)
    page.get_by_role("button", name="Send").click(no_wait_after=True)
    answer(page).get_by_text("what is left").wait_for()
    camera.take("without-script")
    model.release()


if __name__ == "__main__":
    sys.exit(main())
