"""The search: answers from the documents that a person may read, each claim with the number of its passage.

One turn: passages are found and told; where none is relevant the answer says so and nobody is asked; else they go to
the engine (`prompt`, and `extract` for the one without a model), and its marks become the numbers of what it cites
(`citing`, `marks`). At the end come the citations, how far the answer can be trusted, and questions to go on with
(`answering`, `related`). `input` checks what clients send, `resolving` makes a turn's facts, `telling` has the events.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from services.assistants.base import Engine, Turn, close
from services.assistants.search import answering, extract, prompt, telling
from services.assistants.search.answering import NOTHING_AT_ALL, Answering, usage_of
from services.assistants.search.citing import renumbered
from services.assistants.search.input import SearchInput, parse_search
from services.assistants.search.resolving import Desk
from services.errors import ModelBroken
from services.knowledge import confidence
from services.knowledge.passages import Found
from services.llm import builtin
from services.llm.messages import Began, Delta, Finish, Request, Usage
from services.streaming.answers import EmptyAnswer
from services.streaming.events import END, METADATA, Event

__all__ = ["Desk", "Retriever", "Search", "SearchInput", "parse_search"]

logger = logging.getLogger(__name__)

LIMIT: Final = 8


class Retriever(Protocol):
    """Finds passages (services/knowledge/retrieve.py)."""

    def search(
        self, user_id: int, text: str, base_ids: Sequence[str] | None, *, limit: int = ..., context: str = ""
    ) -> Found:
        """The best passages for a question in what the person may read.

        Raises:
            NotFound: One of the bases is unknown, or somebody else's.
        """
        ...


class Search:
    """Answers the search's turns.

    Args:
        desk: Knows what the bases are called, and what an answer that is continued has told.
    """

    name = "search"

    def __init__(self, engine: Engine, retriever: Retriever, desk: Desk) -> None:
        self._engine = engine
        self._retriever = retriever
        self._desk = desk

    def reply(self, turn: Turn) -> Iterator[Event]:
        """Answer a stored turn: passages, text, citations, trust, and `end` last (docs/assistants.md, "Search").

        Raises:
            NotFound: A base is no longer there for this person.
            ModelError: The engine's own.
        """
        told, began_s, has_ended = _Sequence(), time.monotonic(), False
        try:
            for event in self._events(turn):
                told.add(event)
                has_ended = event.name == END
                yield event
        finally:
            # What was told in which order, however it ended: names and counts, never words.
            logger.info(
                "search events",
                extra={
                    "message_id": turn.message_id,
                    "sequence": str(told),
                    "whole": has_ended,
                    "duration_s": round(time.monotonic() - began_s, 3),
                },
            )

    def _events(self, turn: Turn) -> Iterator[Event]:
        name = getattr(self._engine, "name", builtin.NAME)
        yield Event(METADATA, {**_facts(turn), "engine": name, "fallback": False})
        found = self._found(turn)
        is_found = bool(found.passages) and confidence.before(found) >= confidence.THRESHOLD
        names = self._desk.base_names(turn.user_id, {passage.base_id for passage in found.passages})
        now = answering.begin(found, names=names, before=self._desk.told_before(turn), partial=turn.partial)
        yield telling.passages(list(now.entries.values()), found=is_found, notes=found.notes, query=found.query.text)
        yield from now.known()
        if is_found or turn.partial:
            yield from self._answer(turn, now, name)
        else:
            yield from now.nothing(_facts(turn), name)

    def _found(self, turn: Turn) -> Found:
        base_ids = list(turn.facts.get("base_ids") or ()) or None
        began_s = time.monotonic()
        found = self._retriever.search(turn.user_id, turn.question, base_ids, limit=LIMIT, context=_context(turn))
        logger.debug(
            "passages found",
            extra={
                "message_id": turn.message_id,
                "passages": len(found.passages),
                "relevance": round(found.relevance, 3),
                "duration_s": round(time.monotonic() - began_s, 3),
            },
        )
        return found

    def _answer(self, turn: Turn, now: Answering, name: str) -> Iterator[Event]:
        """The engine's answer, its marks read as they come."""
        yield from self._spoken(turn, now, name)
        yield from now.rest()
        if now.finish is None:
            raise ModelBroken
        if not now.spoken:
            raise EmptyAnswer
        yield from now.closing(turn)
        reason = "length" if now.finish.reason == "length" else "stop"
        yield Event(END, {"finish_reason": reason, **usage_of(now.usage)})

    def _spoken(self, turn: Turn, now: Answering, name: str) -> Iterator[Event]:
        parts = self._engine.stream(_request(turn, now))
        try:
            for part in parts:
                match part:
                    case Began():
                        if part.engine != name or part.fallback or part.facts:
                            who = {"engine": part.engine, "fallback": part.fallback}
                            yield Event(METADATA, {**_facts(turn), **part.facts, **who})
                    case Delta():
                        yield from now.take(part.text)
                    case Usage():
                        now.usage = part
                    case Finish():
                        now.finish = part
        finally:
            close(parts)


class _Sequence:
    """The names of events in order, those that repeat with how often: `metadata passages delta*40 citation*2 end`."""

    def __init__(self) -> None:
        self._runs: list[tuple[str, int]] = []

    def add(self, event: Event) -> None:
        name = str(event.data.get("kind") or event.name)
        if self._runs and self._runs[-1][0] == name:
            self._runs[-1] = (name, self._runs[-1][1] + 1)
        else:
            self._runs.append((name, 1))

    def __str__(self) -> str:
        return " ".join(name if count == 1 else f"{name}*{count}" for name, count in self._runs)


def _request(turn: Turn, now: Answering) -> Request:
    passages = now.found.passages
    # The engine knows passages by their places, the reader by the order in which they were cited.
    partial = renumbered(turn.partial, now.places.get) if turn.partial else ""
    # Signs such as `file:handbook` say where to look, and nothing of what is asked.
    asked = now.found.query.text or turn.question
    authored = extract.authored(asked, passages, context=_context(turn))
    return prompt.request(turn, passages, authored=authored or NOTHING_AT_ALL, partial=partial)


def _facts(turn: Turn) -> dict[str, Any]:
    """What `metadata` tells of a turn, whoever answers it."""
    return {
        "message_id": turn.message_id,
        "conversation_id": turn.conversation_id,
        "is_new": bool(turn.facts.get("is_new")),
        "base_ids": list(turn.facts.get("base_ids") or ()),
    }


def _context(turn: Turn) -> str:
    return str(turn.facts.get("context") or "")
