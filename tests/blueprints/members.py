"""People with an account and a login token, as API clients have; what those of all assistants do alike."""

from contextlib import AbstractContextManager

from flask import Flask
from flask.testing import FlaskClient

from blueprints.tickets import login_jwt
from services.store.users import User
from tests.blueprints.streams import Stream, Streams
from tests.factories import make_user


class Member:
    """Somebody with an account and a login token on a site.

    Attributes:
        token: The login JWT that `client` sends with every request.
    """

    def __init__(self, site: Flask) -> None:
        self.site = site
        self.services = site.extensions["rill"]
        self.user: User = self.services.database.run(make_user)
        with site.app_context():
            self.token = login_jwt(self.user)[0]
        self.client: FlaskClient = site.test_client()
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.token}"
        self.streams = Streams(self.client)

    def follow(self, stream_id: str, cursor: str | None = None, query: str = "") -> AbstractContextManager[Stream]:
        """Open a stream of theirs."""
        headers = {"Last-Event-ID": cursor} if cursor else {}
        return self.streams.open(f"/api/streams/{stream_id}{query}", headers=headers)

    def settle(self) -> None:
        """Have everything that has ended stored."""
        self.services.turns.settle_of(self.user.id)

    def stop_all(self) -> None:
        """Stop every answer that runs."""
        for stream in self.client.get("/api/streams").json["streams"]:
            self.client.post(stream["stop_url"])
