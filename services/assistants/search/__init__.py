"""The search: answers from the documents that a person may read, each claim with the number of its passage.

One turn: passages are found and told; where none is relevant the answer says so and nobody is asked; else they go to
the engine (`prompt`, and `extract` for the one without a model), and its marks become the numbers of what it cites
(`citing`). At the end come the citations, how far the answer can be trusted, and questions to go on with (`related`).
`input` checks what clients send, `resolving` makes a turn's facts, `telling` has the events.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

from services.assistants.base import Engine, Turn
from services.assistants.search import extract, prompt, related, telling
from services.assistants.search.citing import Cited, FirstCited, Markers, renumbered
from services.assistants.search.input import SearchInput, parse_search
from services.assistants.search.resolving import Desk
from services.errors import ModelBroken
from services.knowledge import confidence
from services.knowledge.passages import Found, Passage
from services.llm import builtin
from services.llm.messages import Began, Delta, Finish, Part, Request, Usage
from services.streaming.answers import EmptyAnswer
from services.streaming.events import END, METADATA, Event, delta

__all__ = ["Desk", "Retriever", "Search", "SearchInput", "parse_search"]

logger = logging.getLogger(__name__)

LIMIT: Final = 8
NOTHING: Final = (
    "I found nothing about this in the documents that you can read. The nearest passages are listed here, but none of "
    "them answers the question. Ask in other words, look in other bases, or add a document that says it."
)
NOTHING_AT_ALL: Final = (
    "I found nothing about this: no document that you can read, within what you chose, has anything near it. Ask in "
    "other words, look in other bases, or add a document that says it."
)


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


@dataclass(slots=True)
class _Answering:
    """One answer on its way.

    Attributes:
        entries: The passages as they were told, by their place from 1; those of an answer that this one goes on with
            may have been told only then.
        texts: All that was said, in its final numbers.
    """

    found: Found
    entries: dict[int, dict[str, Any]]
    numbering: FirstCited
    markers: Markers
    texts: list[str]
    spoken: int = 0
    usage: Usage | None = None
    finish: Finish | None = None
    sources: dict[int, int] = field(default_factory=dict)

    @property
    def answer(self) -> str:
        return "".join(self.texts)

    @property
    def places(self) -> dict[int, int]:
        """The place of each number that has been given."""
        return {number: place for place, number in self.numbering.numbers.items()}


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
        told: dict[str, int] = {}
        began_s = time.monotonic()
        try:
            for event in self._events(turn):
                told[event.name] = told.get(event.name, 0) + 1
                yield event
        finally:
            # What was told in which order, however it ended: names and counts, never words.
            logger.info(
                "search events",
                extra={
                    "message_id": turn.message_id,
                    "sequence": " ".join(f"{name}*{count}" for name, count in told.items()),
                    "ended": END in told,
                    "duration_s": round(time.monotonic() - began_s, 3),
                },
            )

    def _events(self, turn: Turn) -> Iterator[Event]:
        name = getattr(self._engine, "name", builtin.NAME)
        yield Event(METADATA, {**_facts(turn), "engine": name, "fallback": False})
        began_s = time.monotonic()
        found = self._search(turn)
        logger.debug(
            "passages found",
            extra={
                "message_id": turn.message_id,
                "passages": len(found.passages),
                "relevance": round(found.relevance, 3),
                "duration_s": round(time.monotonic() - began_s, 3),
            },
        )
        is_found = bool(found.passages) and confidence.before(found) >= confidence.THRESHOLD
        now = self._answering(turn, found)
        yield telling.passages(list(now.entries.values()), found=is_found, notes=found.notes, query=found.query.text)
        for number, place in now.places.items():
            yield telling.cited(number, place)
        if is_found or turn.partial:
            yield from self._answer(turn, now, name)
        else:
            yield from _nothing(turn, now, name)

    def _search(self, turn: Turn) -> Found:
        facts = turn.facts
        base_ids = list(facts.get("base_ids") or ()) or None
        return self._retriever.search(
            turn.user_id, turn.question, base_ids, limit=LIMIT, context=str(facts.get("context") or "")
        )

    def _answering(self, turn: Turn, found: Found) -> _Answering:
        """The answer's beginning. One that goes on keeps the numbers that it has given."""
        names = self._desk.base_names(turn.user_id, {passage.base_id for passage in found.passages})
        entries = {
            place: telling.entry(place, passage, names.get(passage.base_id, ""))
            for place, passage in enumerate(found.passages, 1)
        }
        before = self._desk.told_before(turn)
        places = {telling.key_of(entry): place for place, entry in entries.items()}
        known: dict[int, int] = {}
        for citation in telling.citations_of(before):
            place = places.get(telling.key_of(citation))
            if place is None:
                # Not found again: what was said of it stays said, and no more is said of it.
                place = len(entries) + 1
                entries[place] = {name: value for name, value in citation.items() if name != "number"}
                entries[place]["passage"] = place
            known[place] = int(citation["number"])
        numbering = FirstCited(len(found.passages), known)
        markers = Markers(numbering)
        markers.follow(turn.partial)
        return _Answering(found, entries, numbering, markers, [turn.partial] if turn.partial else [])

    def _answer(self, turn: Turn, now: _Answering, name: str) -> Iterator[Event]:
        """The engine's answer, its marks read as they come."""
        yield from self._spoken(turn, now, self._request(turn, now), name)
        for part in now.markers.end():
            yield from _told(now, part)
        if now.finish is None:
            raise ModelBroken
        if not now.spoken:
            raise EmptyAnswer
        yield from _closing(turn, now)
        yield Event(END, {"finish_reason": "length" if now.finish.reason == "length" else "stop", **_usage(now.usage)})

    def _request(self, turn: Turn, now: _Answering) -> Request:
        passages = now.found.passages
        # The engine knows passages by their places, the reader by the order in which they were cited.
        partial = renumbered(turn.partial, now.places.get) if turn.partial else ""
        authored = extract.authored(turn.question, passages, context=str(turn.facts.get("context") or ""))
        return prompt.request(turn, passages, authored=authored or NOTHING_AT_ALL, partial=partial)

    def _spoken(self, turn: Turn, now: _Answering, request: Request, name: str) -> Iterator[Event]:
        parts = self._engine.stream(request)
        try:
            for part in parts:
                match part:
                    case Began():
                        if part.engine != name or part.fallback or part.facts:
                            who = {"engine": part.engine, "fallback": part.fallback}
                            yield Event(METADATA, {**_facts(turn), **part.facts, **who})
                    case Delta():
                        for piece in now.markers.read(part.text):
                            yield from _told(now, piece)
                    case Usage():
                        now.usage = part
                    case Finish():
                        now.finish = part
        finally:
            _close(parts)


def _told(now: _Answering, piece: str | Cited) -> Iterator[Event]:
    """A piece of the answer, or that a number stands in the next."""
    if isinstance(piece, Cited):
        if piece.number not in now.sources:
            now.sources[piece.number] = piece.source
            yield telling.cited(piece.number, piece.source)
        return
    now.spoken += len(piece)
    now.texts.append(piece)
    yield delta(piece)


def _closing(turn: Turn, now: _Answering) -> Iterator[Event]:
    """Citations in the order of their numbers, and what can be said of the whole answer."""
    places = dict(sorted(now.places.items()))
    for number, place in places.items():
        yield telling.citation(number, now.entries[place])
    passages = now.found.passages
    cited = {number: passages[place - 1] for number, place in places.items() if place <= len(passages)}
    judged = asdict(confidence.after(now.found, now.answer, cited))
    yield _trust(turn, now, judged, set(places.values()))


def _trust(turn: Turn, now: _Answering, judged: Mapping[str, Any], cited: set[int]) -> Event:
    passages: Sequence[Passage] = now.found.passages
    also_found = [now.entries[place] for place in range(1, len(passages) + 1) if place not in cited]
    return telling.trust(
        judged, also_found=also_found, related=related.questions(turn.question, passages, cited) if cited else []
    )


def _nothing(turn: Turn, now: _Answering, name: str) -> Iterator[Event]:
    """The honest answer where nothing relevant was found. No model is asked."""
    if name != builtin.NAME:
        yield Event(METADATA, {**_facts(turn), "engine": builtin.NAME, "fallback": False})
    yield delta(NOTHING if now.found.passages else NOTHING_AT_ALL)
    score = confidence.before(now.found) if now.found.passages else 0.0
    judged = {
        "score": round(100 * score),
        "retrieval": score,
        "coverage": 0.0,
        "agreement": 0.0,
        "words": "Nothing relevant was found, so there is no answer to be trusted.",
    }
    yield _trust(turn, now, judged, set())
    yield Event(END, {"finish_reason": "stop", **_usage(Usage(0, 0, estimated=True))})


def _facts(turn: Turn) -> dict[str, Any]:
    """What `metadata` tells of a turn, whoever answers it."""
    return {
        "message_id": turn.message_id,
        "conversation_id": turn.conversation_id,
        "is_new": bool(turn.facts.get("is_new")),
        "base_ids": list(turn.facts.get("base_ids") or ()),
    }


def _usage(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "estimated": usage.estimated,
        }
    }


def _close(parts: Iterator[Part]) -> None:
    close = getattr(parts, "close", None)
    if close is not None:
        close()
