"""One answer on its way: what was found and told, which numbers it has given, what it has said, and how it closes."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from services.assistants.base import Turn
from services.assistants.search import highlight, related, telling
from services.assistants.search.citing import Cited, FirstCited, Markers
from services.knowledge import confidence
from services.knowledge.passages import Found
from services.llm import builtin
from services.llm.messages import Finish, Usage
from services.streaming.events import END, METADATA, Event, delta

NOTHING: Final = (
    "I found nothing about this in the documents that you can read. The nearest passages are listed here, but none of "
    "them answers the question. Ask in other words, look in other bases, or add a document that says it."
)
NOTHING_AT_ALL: Final = (
    "I found nothing about this: no document that you can read, within what you chose, has anything near it. Ask in "
    "other words, look in other bases, or add a document that says it."
)
_NOT_TO_BE_TRUSTED: Final = "Nothing relevant was found, so there is no answer to be trusted."


@dataclass(slots=True)
class Answering:
    """See the module's text.

    Attributes:
        entries: The passages as they were told, by their place from 1; after those that were found now, those that an
            answer which this one goes on with has cited and that were not found again.
        texts: All that was said, in its final numbers.
        spoken: How many characters this run has said.
    """

    found: Found
    entries: dict[int, dict[str, Any]]
    numbering: FirstCited
    markers: Markers
    texts: list[str]
    spoken: int = 0
    usage: Usage | None = None
    finish: Finish | None = None
    _told: set[int] = field(default_factory=set)

    @property
    def places(self) -> dict[int, int]:
        """The place of each number that has been given."""
        return {number: place for place, number in self.numbering.numbers.items()}

    def known(self) -> Iterator[Event]:
        """The numbers that stand in what was said before."""
        for number, place in self.places.items():
            yield self._cited(number, place)

    def take(self, text: str) -> Iterator[Event]:
        """More from the engine: what of it is certain, as it is shown."""
        yield from self._events(self.markers.read(text))

    def rest(self) -> Iterator[Event]:
        """The engine has said all."""
        yield from self._events(self.markers.end())

    def closing(self, turn: Turn) -> Iterator[Event]:
        """Citations in the order of their numbers, and what can be said of the whole answer."""
        places, passages, said = dict(sorted(self.places.items())), self.found.passages, "".join(self.texts)
        cited = {number: passages[place - 1] for number, place in places.items() if place <= len(passages)}
        claims = highlight.claims(said)
        for number, place in places.items():
            entry = self.entries[place]
            if number in cited:
                entry = telling.supported(entry, cited[number], claims.get(number, ()))
            yield telling.citation(number, entry)
        judged = asdict(confidence.after(self.found, said, cited))
        others = related.questions(turn.question, passages, set(places.values())) if cited else []
        yield self._trust(judged, set(places.values()), others)

    def nothing(self, facts: Mapping[str, Any], engine: str) -> Iterator[Event]:
        """The honest answer where nothing relevant was found. No model is asked.

        Args:
            facts: What `metadata` tells.
            engine: The name of who would have been asked.
        """
        if engine != builtin.NAME:
            yield Event(METADATA, {**facts, "engine": builtin.NAME, "fallback": False})
        yield delta(NOTHING if self.found.passages else NOTHING_AT_ALL)
        likely = confidence.before(self.found) if self.found.passages else 0.0
        judged = {"score": round(100 * likely), "retrieval": likely, "coverage": 0.0, "agreement": 0.0}
        yield self._trust({**judged, "words": _NOT_TO_BE_TRUSTED}, set(), [])
        yield Event(END, {"finish_reason": "stop", **usage_of(Usage(0, 0, estimated=True))})

    def _trust(self, judged: Mapping[str, Any], cited: set[int], related_questions: list[str]) -> Event:
        places = range(1, len(self.found.passages) + 1)
        also_found = [self.entries[place] for place in places if place not in cited]
        return telling.trust(judged, also_found=also_found, related=related_questions)

    def _events(self, pieces: list[str | Cited]) -> Iterator[Event]:
        for piece in pieces:
            if isinstance(piece, str):
                self.spoken += len(piece)
                self.texts.append(piece)
                yield delta(piece)
            elif piece.number not in self._told:
                yield self._cited(piece.number, piece.source)

    def _cited(self, number: int, place: int) -> Event:
        self._told.add(number)
        return telling.cited(number, place)


def begin(found: Found, *, names: Mapping[str, str], before: Mapping[str, Any], partial: str) -> Answering:
    """An answer's beginning. One that goes on keeps the numbers that it has given.

    Args:
        names: What the bases of the passages are called.
        before: What the answer that it goes on with told besides its text, by the names of its events.
        partial: That answer's text.
    """
    entries = {
        place: telling.entry(place, passage, names.get(passage.base_id, ""))
        for place, passage in enumerate(found.passages, 1)
    }
    places = {telling.key_of(entry): place for place, entry in entries.items()}
    known: dict[int, int] = {}
    for citation in telling.citations_of(before):
        place = places.get(telling.key_of(citation))
        if place is None:
            # Not found again: what was said of it stays said, and no more is said of it.
            place = len(entries) + 1
            entries[place] = {name: value for name, value in citation.items() if name != "number"} | {"passage": place}
        known[place] = int(citation["number"])
    numbering = FirstCited(len(found.passages), known)
    markers = Markers(numbering)
    markers.follow(partial)
    return Answering(found, entries, numbering, markers, [partial] if partial else [])


def usage_of(usage: Usage | None) -> dict[str, Any]:
    """Tokens as `end` tells them; nothing if no engine has counted."""
    if usage is None:
        return {}
    return {"usage": usage.as_json()}
