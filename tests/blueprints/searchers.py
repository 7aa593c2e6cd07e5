"""People who search as the specification's clients do, in documents that are there from the start."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from flask import Flask
from sqlalchemy.orm import Session

from services.knowledge.chunking import embedded
from services.store import bases
from services.store.chunks import Embedded
from tests.blueprints.members import Member
from tests.blueprints.streams import Stream
from tests.factories import make_indexed
from tests.sse import Frame

SEARCH: Final = "/search"
API: Final = "/api/v1/search"
SSE: Final = {"Accept": "text/event-stream"}
JSON: Final = {"Accept": "application/json"}
QUESTION: Final = "How long are backups kept?"
HANDBOOK: Final = (
    "Backups are kept for 30 days. They are written every night at two o'clock by the operator's script.",
    "Restoring a backup takes about an hour. The operator restores backups on request, after a ticket was opened.",
    "The office opens at eight in the morning. On Fridays it closes at four.",
)
MEMO: Final = ("Since March, backups of the mail server are kept for 90 days, because auditors asked for it.",)
FAR_OFF: Final = "Which colour has the parrot of the harbour master's aunt?"


class Searcher(Member):
    """Somebody with an account and a login token on a site, and a base with two documents."""

    def __init__(self, site: Flask, *, has_documents: bool = True) -> None:
        super().__init__(site)
        self.base_id = self.base("Handbooks") if has_documents else ""
        if has_documents:
            self.index("handbook.pdf", *HANDBOOK, headings=["Backups", "Restoring backups", "Office hours"])
            self.index("memo.md", *MEMO, headings=["The mail server"])

    def base(self, name: str, **changes: Any) -> str:
        """A new base of theirs."""
        made: bases.BaseView = self.services.database.run(bases.create, self.user.id, name, **changes)
        return made.id

    def index(self, name: str, *texts: str, base_id: str = "", headings: Sequence[str] | None = None) -> str:
        """A document that is ready, a page to each text; its id."""
        heads = list(headings or [""] * len(texts))
        embedder = self.services.embedder
        made = embedder.documents([embedded(head, text) for head, text in zip(heads, texts, strict=True)])
        vectors = [Embedded(vector.bits, vector.int8) for vector in made]

        def store(s: Session) -> str:
            return make_indexed(
                s,
                self.user.id,
                base_id or self.base_id,
                texts=texts,
                headings=heads,
                vectors=vectors,
                model=embedder.model,
                name=name,
            ).id

        found: str = self.services.database.run(store)
        return found

    def post(self, query: Any = QUESTION, *, headers: Any = SSE, path: str = API, **fields: Any) -> Any:
        """The response to a question, not read yet."""
        said = {} if query is None else {"query": query}
        return self.client.post(path, json={**said, **fields}, headers=headers)

    def ask(self, query: Any = QUESTION, *, headers: Any = SSE, **fields: Any) -> list[Frame]:
        """The events of an answer, read to its end."""
        response = self.post(query, headers=headers, **fields)
        assert response.status_code == 200, response.text
        with Stream(response) as stream:
            return stream.rest()

    def whole(self, query: Any = QUESTION, **fields: Any) -> Mapping[str, Any]:
        """An answer as JSON."""
        response = self.post(query, headers=JSON, **fields)
        assert response.status_code == 200, response.text
        found: Mapping[str, Any] = response.json
        return found

    def conversation(self, conversation_id: str) -> Any:
        """A conversation as the API tells it."""
        return self.client.get(f"/api/conversations/{conversation_id}").json

    def conversations(self) -> list[Any]:
        """All of theirs."""
        found: list[Any] = self.client.get("/api/conversations?assistant=search").json["conversations"]
        return found


def text_of(frames: Sequence[Frame]) -> str:
    """The tokens, joined."""
    return "".join(frame.json["text"] for frame in frames if frame.name == "token")


def names(frames: Sequence[Frame]) -> list[str]:
    """The events' names, repeated ones told once."""
    told: list[str] = []
    for frame in frames:
        if told[-1:] != [frame.name]:
            told.append(frame.name)
    return told


def of(frames: Sequence[Frame], name: str) -> list[Any]:
    """What the events of a name carry."""
    return [frame.json for frame in frames if frame.name == name]
