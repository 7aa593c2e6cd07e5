"""What the JSON dialects share: one frame an event, made once, with nothing to remember between."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from services.streaming.events import CLOSE, END, Entry, StreamId, UserId
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT, format_event_id, frame

# An event's name on the wire (None: unnamed) and its payload; None if the dialect does not show it.
Shape = Callable[[Entry, StreamFacts], tuple[str | None, Any] | None]


class JsonDialect:
    """A dialect given by a function from an entry to its name and payload.

    Args:
        key: What tells this dialect from the others.
        shape: The function; it must not depend on anything but its arguments.
        ends: The engine's event after which the stream has nothing more to say.
    """

    interval_s = 0.0

    def __init__(self, key: Hashable, shape: Shape, *, ends: str = END) -> None:
        self.key = key
        self.shape = shape
        self.ends = ends

    def shows(self, entry: Entry) -> bool:
        """Whether this entry makes a frame."""
        # The payload does not matter here, and `shape` of an event never looks at its stream's ids.
        return self.shape(entry, _NOWHERE) is not None

    def view(self, stream: StreamFacts) -> "JsonView":
        """A new view of a stream."""
        return JsonView(self, stream)

    def verdict(self, stream: StreamFacts, replay: Replay) -> bytes:
        """The frame that tells a reader where it stands; a reader that asked, or must replace its text, is told."""
        if replay.asked is None and replay.verdict == "exact":
            return b""
        payload = {"type": "stream", **where(stream, replay)}
        return frame(payload, name="stream", event_id=format_event_id(stream.stream_id, replay.position))

    def ping(self, idle_s: float) -> bytes:  # noqa: ARG002 - only the tutor's has a named ping
        """What is sent beside the heartbeat to a reader that has seen nothing for `idle_s`."""
        return b""


class JsonView:
    """A stream in one JSON dialect. Stateless but for knowing when everything has been said."""

    def __init__(self, dialect: JsonDialect, stream: StreamFacts) -> None:
        self._dialect = dialect
        self._stream = stream
        self.done = False

    def prime(self, entries: Sequence[Entry]) -> None:
        """Take what the log held already."""
        self.done = bool(entries) and self._ends(entries[-1])

    def feed(self, entries: Sequence[Entry]) -> bytes:
        """Frames for what the log gained."""
        self.done = self._ends(entries[-1])
        return self._frames(entries)

    def greeting(self, replay: Replay) -> bytes:
        """The verdict, then what the newcomer has not seen; never empty, so that headers leave at once."""
        return (self._dialect.verdict(self._stream, replay) + self._frames(replay.entries)) or HEARTBEAT

    def beat(self, idle_s: float) -> bytes:
        """A heartbeat."""
        return HEARTBEAT + self._dialect.ping(idle_s)

    def _ends(self, entry: Entry) -> bool:
        return entry.event.name in (self._dialect.ends, CLOSE)

    def _frames(self, entries: Sequence[Entry]) -> bytes:
        shape, stream = self._dialect.shape, self._stream
        frames = []
        for entry in entries:
            shaped = shape(entry, stream)
            if shaped is not None:
                name, payload = shaped
                frames.append(frame(payload, name=name, event_id=f"{stream.stream_id}-{entry.seq}"))
        return frames[0] if len(frames) == 1 else b"".join(frames)


def where(stream: StreamFacts, replay: Replay) -> Mapping[str, Any]:
    """What a reader is told of its place (API.md, "Subscribe")."""
    return {
        "stream_id": stream.stream_id,
        "asked": replay.asked,
        "from": format_event_id(stream.stream_id, replay.position),
        "tail": format_event_id(stream.stream_id, replay.tail),
        "verdict": replay.verdict,
    }


_NOWHERE = StreamFacts(UserId(0), StreamId(""), "", "")
