"""People who talk to the todo agent as the specification's clients do."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from flask import Flask
from flask.testing import FlaskClient

from blueprints.tickets import login_jwt
from services.store import quotas
from services.store.users import User
from tests.blueprints.streams import Stream, Streams
from tests.factories import make_user
from tests.sse import Frame

ASK: Final = "/api/todos/agent-create/stream"
SESSIONS: Final = "/api/todos/sessions"
SSE: Final = {"Accept": "text/event-stream"}
JSON: Final = {"Accept": "application/json"}
WISH: Final = "Add Team meeting tomorrow at 14:00"


class Doer:
    """Somebody with an account and a login token on a site."""

    def __init__(self, site: Flask) -> None:
        self.site = site
        self.services = site.extensions["rill"]
        self.user: User = self.services.database.run(make_user)
        with site.app_context():
            self.token = login_jwt(self.user)[0]
        self.client: FlaskClient = site.test_client()
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.token}"
        self.streams = Streams(self.client)

    def post(self, said: Any = WISH, *, headers: Any = SSE, query: str = "", **fields: Any) -> Any:
        """The response to a request, not read yet.

        Args:
            said: The messages, or the only one's text; None: no messages at all.
        """
        messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
        body = {**({} if said is None else {"messages": messages}), **fields}
        return self.client.post(f"{ASK}{query}", json=body, headers=headers)

    def ask(self, said: Any = WISH, **fields: Any) -> list[Frame]:
        """The frames of an answer, read to its end."""
        response = self.post(said, **fields)
        assert response.status_code == 200, response.text
        with Stream(response) as stream:
            return stream.rest()

    def start(self, said: Any = WISH, **fields: Any) -> Any:
        """Where an answer that runs is followed and stopped."""
        response = self.post(said, headers=JSON, **fields)
        assert response.status_code == 201, response.text
        return response.json

    def follow(self, stream_id: str, cursor: str | None = None, query: str = "") -> AbstractContextManager[Stream]:
        """Open a stream of theirs."""
        headers = {"Last-Event-ID": cursor} if cursor else {}
        return self.streams.open(f"/api/streams/{stream_id}{query}", headers=headers)

    def settle(self) -> None:
        """Have everything that has ended stored."""
        with self.site.test_request_context():
            from blueprints.stored import settle_ended

            settle_ended(self.user.id)

    def stop_all(self) -> None:
        """Stop every answer that runs."""
        for stream in self.client.get("/api/streams").json["streams"]:
            self.client.post(stream["stop_url"])

    def used(self) -> int:
        """How many of this month's requests they have used, once everything that has ended is settled."""
        self.settle()
        limit = self.services.settings.todos_monthly_quota
        found: quotas.Usage = self.services.database.run(quotas.usage, self.user.id, limit)
        return found.used

    def todos(self) -> list[Any]:
        """Their list."""
        found = self.client.get("/api/todos").json
        rows: list[Any] = found["todos"] if isinstance(found, dict) else found
        return rows

    def forget(self, stream_id: str) -> None:
        """The log expires; what is stored stays."""
        self.settle()
        self.services.log.forget(self.user.id, [stream_id])


def names(frames: Sequence[Frame]) -> list[str]:
    """The frames' names, repeated deltas told once."""
    told: list[str] = []
    for frame in frames:
        if frame.name != "message_delta" or told[-1:] != ["message_delta"]:
            told.append(frame.name)
    return told


def of(frames: Sequence[Frame], name: str) -> list[Any]:
    """What the frames of a name carry."""
    return [frame.json for frame in frames if frame.name == name]


def text_of(frames: Sequence[Frame]) -> str:
    """The deltas, joined."""
    return "".join(one["content"] for one in of(frames, "message_delta"))
