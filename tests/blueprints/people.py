"""People who ask the tutor as API clients do: with a login token, and no page."""

from collections.abc import Mapping
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from blueprints.tickets import login_jwt
from services.assistants import problem_bank
from services.store.users import User
from tests.blueprints.streams import Stream, Streams
from tests.factories import make_user
from tests.model_server import ModelServer
from tests.sse import Frame

PROBLEM = next(iter(problem_bank.bundled()))
MESSAGES = "/v1/tutor/messages"
HELD_WORDS = 3


class Person:
    """Somebody with an account of their own on a site.

    Attributes:
        model: Who answers on that site.
        token: The login JWT that `client` sends with every request.
    """

    def __init__(self, site: Flask, model: ModelServer) -> None:
        self.site = site
        self.model = model
        self.services = site.extensions["rill"]
        self.user: User = self.services.database.run(make_user)
        with site.app_context():
            self.token = login_jwt(self.user)[0]
        self.client: FlaskClient = site.test_client()
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.token}"
        self.streams = Streams(self.client)

    def ask(self, message: str = "How do I start?", *, headers: Mapping[str, str] | None = None, **fields: Any) -> Any:
        """The response to a question."""
        body = {"session_id": "s1", "problem_id": PROBLEM, "message": message, **fields}
        return self.client.post(MESSAGES, json=body, headers=headers)

    def asked(self, message: str = "How do I start?", **fields: Any) -> Any:
        """The body of the response to a question that starts an answer."""
        response = self.ask(message, **fields)
        assert response.status_code == 201, response.text
        return response.json

    def follow(self, stream_id: str, *, cursor: str | None = None, query: str = "", **headers: str) -> Any:
        """Open a stream with a cursor in `Last-Event-ID`; closed at the end of the block."""
        sent = {**headers, **({"Last-Event-ID": cursor} if cursor is not None else {})}
        return self.streams.open(f"/api/streams/{stream_id}{query}", headers=sent)

    def answered(self, message: str = "How do I start?", **fields: Any) -> tuple[str, list[Frame]]:
        """A stream whose answer is complete, and the frames of one who followed it from the start."""
        asked = self.asked(message, **fields)
        with self.streams.open(asked["stream_url"]) as stream:
            return asked["stream_id"], stream.until("message.end")

    def stopped(self, words: int = 3) -> tuple[str, list[Frame]]:
        """A stream that was stopped after some words and is closed, and all of its frames."""
        # The tutor holds the last words back until it sees what they belong to.
        self.model.play(f"stall-after-{words + HELD_WORDS}")
        stream_id = self.asked()["stream_id"]
        with self.follow(stream_id) as stream:
            self.read_words(stream, words)
            assert self.client.delete(f"/api/streams/{stream_id}").status_code == 200
            stream.rest()
        return stream_id, stream.frames

    def stop_all(self) -> None:
        """Stop every answer that runs."""
        for stream in self.client.get("/api/streams").json["streams"]:
            assert self.client.post(stream["stop_url"]).json["confirmed"]

    def read_words(self, stream: Stream, words: int) -> None:
        """Read until so many words have come."""
        while len(text_of(stream.frames).split()) < words:
            stream.until("message.delta")

    def standing(self, stream_id: str) -> Any:
        """How a stream stands, as JSON."""
        response = self.client.get(f"/api/streams/{stream_id}", headers={"Accept": "application/json"})
        assert response.status_code == 200, response.text
        return response.json

    def forget(self, stream_id: str) -> None:
        """Let the log of a stream expire."""
        redis = self.services.redis
        keys = [key for key in redis.scan_iter("rill:*") if stream_id.encode() in key]
        assert keys, "needs a log that is there"
        redis.delete(*keys)

    @property
    def kept(self) -> set[str]:
        """What Redis holds of this person."""
        return {key.decode() for key in self.services.redis.scan_iter(f"rill:{{u{self.user.id}}}:*")}


def text_of(frames: list[Frame]) -> str:
    """The text that these frames of the tutor's add up to."""
    return "".join(frame.json["content"] for frame in frames if frame.name == "message.delta")


def names(frames: list[Frame]) -> list[str]:
    """The frames' names in order, repeated deltas told once."""
    told: list[str] = []
    for frame in frames:
        if not told or frame.name != told[-1] or frame.name != "message.delta":
            told.append(frame.name)
    return told
