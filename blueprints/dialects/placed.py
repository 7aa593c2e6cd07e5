"""What dialects share whose first frame says where the stream is, and whose last tells of the whole answer. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from blueprints.dialects.default import where
from services.streaming.events import CLOSE, END, Entry
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT, format_event_id, frame

# A frame before it is bytes: its name if it has one, what it says, its id.
Told = tuple[str | None, Any, str]


class PlacedView(ABC):
    """A stream in such a dialect.

    Args:
        shows: Whether an entry makes a frame.
        verdict_name: What the frame is called that tells a reader where it stands; None: it has no name.
    """

    # The events after which nothing more is said.
    ends: ClassVar[frozenset[str]] = frozenset({END, CLOSE})

    def __init__(self, stream: StreamFacts, shows: Callable[[Entry], bool], *, verdict_name: str | None) -> None:
        self._stream = stream
        self._shows = shows
        self._verdict_name = verdict_name
        self.done = False
        # The seq of the first entry that makes a frame; deltas may be merged to it.
        self._first = 0

    @abstractmethod
    def _remember(self, entry: Entry) -> None:
        """Note what later frames tell: another process may write the end, which needs what came before it."""

    @abstractmethod
    def _payload(self, entry: Entry) -> Any:
        """What the frame of an entry that is shown says; the first one's is an object."""

    @abstractmethod
    def _place(self) -> dict[str, Any]:
        """What the first frame says besides."""

    def _name(self, entry: Entry) -> str | None:  # noqa: ARG002 - unnamed unless a dialect says otherwise
        """What the frame of an entry is called."""
        return None

    def _written(self, told: Sequence[Told]) -> bytes:
        """Frames as bytes."""
        return b"".join([frame(payload, name=name, event_id=event_id) for name, payload, event_id in told])

    def prime(self, entries: Sequence[Entry]) -> None:
        """Take what the log held already."""
        for entry in entries:
            self._take(entry)

    def feed(self, entries: Sequence[Entry]) -> bytes:
        """Frames for what the log gained."""
        told = []
        for entry in entries:
            self._take(entry)
            if self._shows(entry):
                told.append(self._told(entry, is_first=entry.seq == self._first))
        return self._written(told)

    def greeting(self, replay: Replay) -> bytes:
        """The verdict where there is one to tell, then what the newcomer has not seen; never empty."""
        told = self._verdict(replay)
        is_first = replay.position < self._first
        for entry in replay.entries:
            if self._shows(entry):
                told.append(self._told(entry, is_first=is_first))
                is_first = False
        return self._written(told) or HEARTBEAT

    def beat(self, idle_s: float) -> bytes:
        """A heartbeat."""
        del idle_s
        return HEARTBEAT

    def _verdict(self, replay: Replay) -> list[Told]:
        if replay.asked is None and replay.verdict == "exact":
            return []
        payload = {"type": "stream", **where(self._stream, replay)}
        return [(self._verdict_name, payload, format_event_id(self._stream.stream_id, replay.position))]

    def _take(self, entry: Entry) -> None:
        self._remember(entry)
        self.done = self.done or entry.event.name in self.ends
        if not self._first and self._shows(entry):
            self._first = entry.seq

    def _told(self, entry: Entry, *, is_first: bool) -> Told:
        payload = self._payload(entry)
        if is_first and isinstance(payload, dict):
            payload |= self._place()
        return self._name(entry), payload, format_event_id(self._stream.stream_id, entry.seq)
