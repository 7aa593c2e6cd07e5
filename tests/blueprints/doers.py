"""People who talk to the todo agent as the specification's clients do."""

from collections.abc import Sequence
from typing import Any, Final

from services.store import quotas
from tests.blueprints.members import Member
from tests.blueprints.streams import Stream
from tests.sse import Frame

ASK: Final = "/api/todos/agent-create/stream"
TODOS: Final = "/api/todos"
SESSIONS: Final = "/api/todos/sessions"
SSE: Final = {"Accept": "text/event-stream"}
JSON: Final = {"Accept": "application/json"}
WISH: Final = "Add Team meeting tomorrow at 14:00"


class Doer(Member):
    """Somebody with a list of todos."""

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


def made(who: Doer, item: str = "Pay rent", **values: Any) -> Any:
    """A todo that is made, as it is told."""
    response = who.client.post(TODOS, json={"item": item, **values})
    assert response.status_code == 201, response.text
    return response.json


def listed(who: Doer, **query: Any) -> list[str]:
    """What the todos of a list are called."""
    response = who.client.get(TODOS, query_string=query)
    assert response.status_code == 200, response.text
    return [todo["item"] for todo in response.json["todos"]]


def problem(response: Any, status: int, code: str) -> Any:
    """A refusal, as its problem document."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert response.json["code"] == code
    return response.json


def wrong_fields(response: Any) -> list[str]:
    """Which fields are refused."""
    return [wrong["field"] for wrong in problem(response, 400, "INVALID_INPUT")["errors"]]
