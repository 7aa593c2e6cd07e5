"""People who use the study chat as the specification's clients do."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from tests.blueprints.members import Member
from tests.blueprints.streams import Stream
from tests.sse import Frame

CONVERSATION = "/api/stream/stream-conversation"
SIMPLE = "/api/stream/stream-simple"
# What the specification's clients send.
SSE = {"Accept": "text/event-stream"}
JSON = {"Accept": "application/json"}


class Student(Member):
    """Somebody who studies."""

    def post(self, message: str | None = "What is photosynthesis?", *, headers: Any = SSE, **fields: Any) -> Any:
        """The response to a question, not read yet."""
        said = {} if message is None else {"message": message}
        return self.client.post(CONVERSATION, json={**said, **fields}, headers=headers)

    def ask(self, message: str | None = "What is photosynthesis?", *, headers: Any = SSE, **fields: Any) -> list[Any]:
        """The events of an answer, read to its end."""
        response = self.post(message, headers=headers, **fields)
        assert response.status_code == 200, response.text
        with Stream(response) as stream:
            return [frame.json for frame in stream.rest()]

    def simple(self, headers: Any = SSE, **query: Any) -> Any:
        """The response to a simple GET."""
        return self.client.get(SIMPLE, query_string=query, headers=headers)

    def simply(self, **query: Any) -> list[Any]:
        """The events of a simple GET, read to its end."""
        response = self.simple(**query)
        assert response.status_code == 200, response.text
        with Stream(response) as stream:
            return [frame.json for frame in stream.rest()]

    def keep(self, name: str, content: bytes) -> Any:
        """A file on their shelf."""
        return self.services.shelf.add(self.user.id, name, BytesIO(content))

    def points(self) -> Mapping[str, Any]:
        """Their balance, once nothing is held for an answer any more."""
        found: Mapping[str, Any] = self.client.get("/api/points").json
        return found

    def messages(self, conversation_id: str) -> list[Any]:
        """What is stored of a conversation."""
        found: list[Any] = self.client.get(f"/api/conversations/{conversation_id}").json["messages"]
        return found


def text_of(events: list[Any]) -> str:
    """The tokens, joined."""
    return "".join(event["content"] for event in events if event["type"] == "token")


def kinds(events: list[Any]) -> list[str]:
    """The events' types, repeated tokens told once."""
    told: list[str] = []
    for event in events:
        if event["type"] != "token" or told[-1:] != ["token"]:
            told.append(event["type"])
    return told


def payloads(frames: list[Frame]) -> list[Any]:
    """What frames carry."""
    return [frame.json for frame in frames]
