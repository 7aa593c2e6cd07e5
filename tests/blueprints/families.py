"""Families: an adult's browser, two children, and the browser as a child has it."""

from flask import Flask
from flask.testing import FlaskClient

from services.store.children import ChildDraft
from tests.blueprints.conftest import register

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

    def leave(self, **form: str) -> int:
        """Try to leave the child's screen; the status."""
        return self.client.post("/stories/leave", data=form or {"pin": PIN}, headers=PAGE).status_code


def _id_of(s: object, email: str) -> int:
    from services.store import users

    found = users.by_email(s, email)  # type: ignore[arg-type]
    assert found is not None
    return found.id
