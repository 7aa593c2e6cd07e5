"""Families: an adult's browser, two children, and the browser as a child has it."""

from flask import Flask
from flask.testing import FlaskClient

from services.store.chapters import Chapter
from services.store.children import ChildDraft
from tests.blueprints.conftest import register
from tests.blueprints.streams import Streams

PIN = "4071"
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Family:
    """An account of its own with two children, in a browser.

    Attributes:
        client: The browser, an adult's until `hand_over`.
        child, sibling: Mia, seven years old, and Ben, who is ten.
    """

    def __init__(self, site: Flask, email: str) -> None:
        self.site = site
        self.email = email
        self.services = site.extensions["rill"]
        self.client: FlaskClient = register(site, email)
        self.user_id: int = self.services.database.run(_id_of, email)
        self.child = self.services.stories.add_child(self.user_id, ChildDraft(name="Mia", age=7, pronouns="she"))
        self.sibling = self.services.stories.add_child(self.user_id, ChildDraft(name="Ben", age=10))

    def hand_over(self, **form: object) -> None:
        """Make the browser Mia's screen, by the form."""
        pins = {} if self.services.stories.has_pin(self.user_id) else {"pin": PIN, "pin_again": PIN}
        sent = self.client.post("/stories/hand-over", data={"child_id": self.child.id, **pins, **form}, headers=PAGE)
        assert (sent.status_code, sent.headers["Location"]) == (303, "/stories/child"), sent.text

    def begin(self, **form: object) -> str:
        """Start a chapter by a form of the child's page; the story's id."""
        sent = self.client.post(
            "/api/v1/stories/generate/stream",
            data={"child_id": self.child.id, "theme": "forest", **form},
            headers=PAGE,
        )
        assert sent.status_code == 303, sent.text
        return sent.headers["Location"].removeprefix("/stories/child/").partition("#")[0]

    def told(self, story_id: str) -> Chapter:
        """The newest chapter of a story, once it has ended: whoever has the browser follows it."""
        begun = self.services.stories.story(self.user_id, story_id).last
        assert begun is not None, "nothing was begun"
        if begun.is_running:
            with Streams(self.client).open(f"/api/streams/{begun.stream_id}") as stream:
                stream.rest()
            self.services.turns.settle_of(self.user_id)
        ended: Chapter = self.services.stories.story(self.user_id, story_id).last
        assert not ended.is_running
        return ended

    def page(self, path: str) -> str:
        """A page of the child's screen."""
        found = self.client.get(path, headers=PAGE)
        assert found.status_code == 200, (path, found.status)
        return found.text

    def leave(self, **form: str) -> int:
        """Try to leave the child's screen; the status."""
        return self.client.post("/stories/leave", data=form or {"pin": PIN}, headers=PAGE).status_code


def _id_of(s: object, email: str) -> int:
    from services.store import users

    found = users.by_email(s, email)  # type: ignore[arg-type]
    assert found is not None
    return found.id
