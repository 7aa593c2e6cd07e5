"""The search's published events (REQUIREMENTS A5): named frames, `token`, then `citation`, then `done` or `error`.

What the specification has no frame for (passages, confidence, related questions) is told with `done`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from blueprints.addresses import stop_url, stream_url
from blueprints.dialects.placed import PlacedView
from services.assistants.search.telling import CITED, PASSAGES, TRUST, citations_of
from services.streaming.events import CITATION, DELTA, END, ERROR, MESSAGE, METADATA, START, Entry
from services.streaming.views import StreamFacts
from services.streaming.wire import frame

_SHOWN: Final = {DELTA: "token", CITATION: "citation", ERROR: "error", END: "done"}


def format_sse_event(event_type: str, data: Any) -> str:
    """One named event as text: its name, its JSON on one line, and a blank line."""
    return frame(data, name=event_type).decode()


def stream_events(events: Iterable[tuple[str, Any]]) -> Iterable[bytes]:
    """Named events as the body of a response, each as soon as it comes."""
    for event_type, data in events:
        yield frame(data, name=event_type)


class SearchDialect:
    """Frames of the search."""

    interval_s = 0.0
    key = "search"

    def shows(self, entry: Entry) -> bool:
        """Whether this entry makes a frame. An `end` after an error makes none."""
        name = entry.event.name
        return name in _SHOWN and not (name == END and "error" in entry.event.data)

    def view(self, stream: StreamFacts) -> "SearchView":
        """A new view of a stream."""
        return SearchView(stream)


class Told:
    """What a search's answer has come to, from its events."""

    def __init__(self, stream: StreamFacts) -> None:
        self._stream = stream
        self._begin({})

    def _begin(self, start: Mapping[str, Any]) -> None:
        self.texts: list[str] = []
        self.extras: dict[str, list[Mapping[str, Any]]] = {}
        self.facts: dict[str, Any] = {"engine": start.get("engine", ""), "message_id": start.get("message_id", "")}
        self.error: Mapping[str, Any] | None = None
        self.end: Mapping[str, Any] | None = None

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        name, data = entry.event
        if name == START:
            self._begin(data)
        elif name == METADATA:
            self.facts |= data
        elif name == DELTA:
            self.texts.append(data["text"])
        elif name in (CITATION, MESSAGE):
            self.extras.setdefault(name, []).append(data)
        elif name == ERROR:
            self.error = data
        elif name == END:
            self.end = data

    @property
    def conversation_id(self) -> str:
        return str(self.facts.get("conversation_id") or self._stream.conversation_id)

    @property
    def citations(self) -> list[dict[str, Any]]:
        """As they were told, or as they would have been if the answer had come to its end."""
        told = self.extras.get(CITATION)
        return [dict(one) for one in told] if told else citations_of(self.extras)

    def message(self, kind: str) -> Mapping[str, Any]:
        """The last message of this kind; empty without one."""
        return next((data for data in reversed(self.extras.get(MESSAGE, [])) if data.get("kind") == kind), {})

    def done(self) -> dict[str, Any]:
        """What the last event tells."""
        end, trust, found = self.end or {}, self.message(TRUST), self.message(PASSAGES)
        confidence = dict(trust.get("confidence") or {})
        place = {"stream_id": self._stream.stream_id, "conversation_id": self.conversation_id}
        return {
            "confidence_score": int(confidence.get("score") or 0),
            "confidence": confidence,
            "finish_reason": end.get("finish_reason"),
            "content_length": end.get("content_length"),
            "content_sha256": end.get("content_sha256"),
            "engine": self.facts.get("engine", ""),
            "fallback": bool(self.facts.get("fallback")),
            "found": bool(found.get("found")),
            "also_found": list(trust.get("also_found") or ()),
            "related": list(trust.get("related") or ()),
            "notes": list(found.get("notes") or ()),
            "message_id": self.facts.get("message_id", ""),
            **place,
            # Those of an answer that was stopped have no frames of their own.
            **({} if self.extras.get(CITATION) or not self._is_cut else {"citations": self.citations}),
        }

    @property
    def _is_cut(self) -> bool:
        return any(data.get("kind") == CITED for data in self.extras.get(MESSAGE, ()))

    def whole(self) -> dict[str, Any]:
        """The answer for a client that does not stream: REQUIREMENTS Q12, and what `done` tells."""
        results = list(self.message(PASSAGES).get("passages") or ())
        told = {name: value for name, value in self.done().items() if name != "citations"}
        return {"answer": "".join(self.texts), "citations": self.citations, "results": results, **told}


class SearchView(PlacedView):
    """A stream in this dialect. It remembers the answer, since `done` tells of all of it."""

    def __init__(self, stream: StreamFacts) -> None:
        super().__init__(stream, SearchDialect().shows, verdict_name="stream")
        self.told = Told(stream)

    def _remember(self, entry: Entry) -> None:
        self.told.take(entry)

    def _name(self, entry: Entry) -> str:
        return _SHOWN[entry.event.name]

    def _payload(self, entry: Entry) -> dict[str, Any]:
        name, data = entry.event
        if name == DELTA:
            return {"text": data["text"]}
        return self.told.done() if name == END else dict(data)

    def _place(self) -> dict[str, Any]:
        stream_id = self._stream.stream_id
        return {
            "stream_id": stream_id,
            "stream_url": stream_url(stream_id),
            "stop_url": stop_url(stream_id),
            "conversation_id": self.told.conversation_id,
            "engine": self.told.facts.get("engine", ""),
        }
