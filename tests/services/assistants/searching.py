"""Turns of the search for tests, and what there is to be found: a handbook of three pages and a memo."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.assistants.base import Turn
from services.assistants.search.resolving import context_of, history_of
from services.knowledge.passages import Found, Passage
from services.llm.messages import Began, Delta, Finish, Part, Request, Usage
from services.store.conversations import new_id
from services.streaming.events import Event


def passage(text: str, *, name: str = "handbook.pdf", page: int = 1, heading: str = "", start: int = 0) -> Passage:
    return Passage(page * 1000 + start, f"doc-{name}", name, "base1", page, heading, start, start + len(text), text)


HANDBOOK = (
    passage(
        "# Backups\n\nBackups are kept for 30 days. They are written every night at two o'clock.",
        heading="Operations > Backups",
    ),
    passage(
        "Restoring a backup takes about an hour. Ask the operator first.", page=2, heading="Operations > Restoring"
    ),
    passage("The office opens at eight. On Fridays it closes at four.", page=3, heading="Office hours and holidays"),
)
MEMO = passage("Since March, backups of the mail server are kept for 90 days.", name="memo.md", heading="Mail server")
FOUND = Found([*HANDBOOK, MEMO], relevance=0.9)
NEARBY = Found(HANDBOOK[2:], relevance=0.2, notes=["Searched by words alone."])


@dataclass(slots=True)
class Row:
    """A stored message, as far as a follow-up looks at it."""

    role: str
    content: str
    id: str = field(default_factory=new_id)


def said(*texts: str) -> list[Any]:
    """A path of messages, a question first."""
    return [Row("assistant" if place % 2 else "user", text) for place, text in enumerate(texts)]


def make_turn(
    query: str = "How long are backups kept?",
    *,
    base_ids: Sequence[str] = (),
    path: Sequence[Any] = (),
    partial: str = "",
) -> Turn:
    """A turn as the site stores it."""
    facts = {
        "query": query,
        "base_ids": list(base_ids),
        "context": context_of(query, path),
        "history": history_of(path),
        "is_new": not path,
    }
    return Turn("search", 7, "c1", "m1", query, facts, partial)


class Documents:
    """Finds what it is told to find, and keeps what it was asked."""

    def __init__(self, found: Found | Exception = FOUND) -> None:
        self.found = found
        self.asked: list[dict[str, Any]] = []

    def search(
        self, user_id: int, text: str, base_ids: Sequence[str] | None, *, limit: int = 8, context: str = ""
    ) -> Found:
        self.asked.append({"user_id": user_id, "text": text, "base_ids": base_ids, "limit": limit, "context": context})
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class Desk:
    """Knows one base, and what an earlier answer told."""

    def __init__(self, before: Sequence[Event] = ()) -> None:
        self._before = before

    def base_names(self, user_id: int, base_ids: Any) -> Mapping[str, str]:
        return {"base1": "Handbooks"}

    def told_before(self, turn: Turn) -> Mapping[str, Any]:
        told: dict[str, list[Any]] = {}
        for event in self._before:
            told.setdefault(event.name, []).append(event.data)
        return told


class Model:
    """Says what it is told to, and keeps what it was asked."""

    name = "scripted"

    def __init__(self, *texts: str, finish: str = "stop", parts: Sequence[Part | Exception] | None = None) -> None:
        self.requests: list[Request] = []
        self.closed = 0
        self._parts = parts or (
            Began(self.name), *(Delta(text) for text in texts), Usage(100, 50), Finish(finish)  # type: ignore[arg-type]
        )  # fmt: skip

    def stream(self, request: Request) -> Iterator[Part]:
        self.requests.append(request)
        try:
            for part in self._parts:
                if isinstance(part, Exception):
                    raise part
                yield part
        finally:
            self.closed += 1


def text_of(found: Sequence[Event]) -> str:
    return "".join(event.data["text"] for event in found if event.name == "delta")


def of(found: Sequence[Event], name: str, kind: str = "") -> list[Any]:
    """What the events of a name, and of a kind, tell."""
    return [event.data for event in found if event.name == name and (not kind or event.data.get("kind") == kind)]


def kinds(found: Sequence[Event]) -> list[str]:
    """The events in order, repeated ones told once."""
    told: list[str] = []
    for event in found:
        name = str(event.data.get("kind") or event.name)
        if told[-1:] != [name]:
            told.append(name)
    return told
