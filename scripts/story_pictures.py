"""The pictures of stories for docs/screenshots, of a site without a model; taken by scripts/screenshots.py."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from playwright.sync_api import Browser, Page, expect

from tests.e2e import nursery
from tests.e2e.browsing import sign_in
from tests.e2e.clients import Account
from tests.e2e.sites import Site, running

_TELL: Final = "/api/v1/stories/generate/stream"
_CHILDREN: Final = (
    {"name": "Mia", "age": 7, "pronouns": "she", "interests": ["whales", "baking"], "avoid": ["spiders"]},
    {"name": "Ben", "age": 10, "pronouns": "he", "daily_limit": 3, "bedtime": "19:30"},
)
_SHELF: Final = ("forest", "space", "dragons", "robots")
_HELD_BACK: Final = "Then the pirates have a fight with knives and there is blood everywhere."


class Camera(Protocol):
    """See scripts/screenshots.py."""

    page: Page

    def take(self, name: str, before: Callable[[], None] = ...) -> None: ...
    def visit(self, path: str, name: str) -> None: ...


def stories(browser: Browser, camera_of: Callable[[Page], Camera], new_page: Callable[[Browser, Site], Page]) -> None:
    """A first visit, a chapter, the book, the shelf, a profile, a booklet, what was held back, the child's screen."""
    with tempfile.TemporaryDirectory() as directory, running(Path(directory), BUILTIN_PACE_MS="12") as site:
        owner = Account(site, "ada@example.org")
        camera = camera_of(sign_in(new_page(browser, site), owner))
        camera.visit("/stories", "stories-first")
        mia, ben = (owner.call("POST", "/api/v1/children", child).json["id"] for child in _CHILDREN)
        tells(camera, owner, mia)
        for theme, child_id in zip(_SHELF, (mia, mia, ben, mia), strict=True):
            _told(owner, child_id=child_id, theme=theme)
        held = {"child_id": mia, "theme": "pirates", "custom_user_input": _HELD_BACK}
        assert owner.call("POST", _TELL, held).status == 400
        camera.visit("/stories", "stories")
        camera.visit(f"/stories/children/{mia}", "stories-child")
        camera.page.goto("/stories/review")
        camera.page.get_by_text("Show the words").last.click()
        camera.take("stories-review")
        hands_over(camera)


def tells(camera: Camera, owner: Account, child_id: int) -> None:
    """A chapter in its midst, the choices at its end, the next one, and all of it on paper."""
    page = camera.page
    started = owner.call("POST", _TELL, {"child_id": child_id, "theme": "ocean"})
    story = f"/stories/{started.json['story_id']}"
    page.goto(story)
    page.locator(".chapter__text p").nth(1).wait_for()
    owner.call("POST", started.json["stop_url"])
    expect(page.locator(".outcome")).to_be_visible()
    camera.take("story-stopped", lambda: _foot_in_view(page))
    page.get_by_role("button", name="Go on where it stopped").click()
    page.locator(".next__choice").first.wait_for(timeout=60_000)
    camera.take("story-choices", lambda: _foot_in_view(page))
    page.locator(".next__choice").first.click()
    page.locator("#chapter-2 .next__choice").first.wait_for(timeout=60_000)
    page.evaluate("scrollTo(0, 0)")
    camera.take("story", lambda: page.evaluate("scrollTo(0, 0)"))
    camera.visit(f"{story}/booklet", "story-booklet")


def hands_over(camera: Camera) -> None:
    """The child's screen: its shelf, a chapter with what comes next, and the way out."""
    page = camera.page
    nursery.hand_over(page)
    camera.visit(nursery.SHELF, "child-shelf")
    nursery.begin(page, "Animals")
    nursery.read_to_its_end(page)
    camera.take("child-story", lambda: page.evaluate("scrollTo(0, 0)"))
    camera.take("child-choices", lambda: _foot_in_view(page))
    camera.visit("/stories/leave", "child-leave")


def _told(owner: Account, **about: Any) -> None:
    started = owner.call("POST", _TELL, about)
    assert started.status == 201, started
    stored = owner.stored(started.json["stream_id"], settled_within_s=60)
    assert stored["outcome"] == "completed", stored


def _foot_in_view(page: Page) -> None:
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
