"""What dialects share whose first frame says where the stream is, and whose last tells of the whole answer. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from blueprints.dialects.default import where
from services.streaming.events import CLOSE, END, Entry
from services.streaming.views import Replay, StreamFacts
from services.streaming.wire import HEARTBEAT, format_event_id, frame


class PlacedView(ABC):
    """A stream in such a dialect.

    Args:
        shows: Whether an entry makes a frame.
        verdict_name: What the frame is called that tells a reader where it stands; None: it has no name.
    """

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
    def _payload(self, entry: Entry) -> dict[str, Any]:
        """What the frame of an entry that is shown says."""

    @abstractmethod
    def _place(self) -> dict[str, Any]:
        """What the first frame says besides."""

    def _name(self, entry: Entry) -> str | None:  # noqa: ARG002 - unnamed unless a dialect says otherwise
        """What the frame of an entry is called."""
        return None

    def prime(self, entries: Sequence[Entry]) -> None:
        """Take what the log held already."""
        for entry in entries:
            self._take(entry)

    def feed(self, entries: Sequence[Entry]) -> bytes:
        """Frames for what the log gained."""
        frames = []
        for entry in entries:
            self._take(entry)
            frames.append(self._frame(entry, is_first=entry.seq == self._first))
        return b"".join(frames)

    def greeting(self, replay: Replay) -> bytes:
        """The verdict where there is one to tell, then what the newcomer has not seen; never empty."""
        frames = [self._verdict(replay)]
        is_first = replay.position < self._first
        for entry in replay.entries:
            frames.append(self._frame(entry, is_first=is_first))
            is_first = is_first and not frames[-1]
        return b"".join(frames) or HEARTBEAT

    def beat(self, idle_s: float) -> bytes:
        """A heartbeat."""
        del idle_s
        return HEARTBEAT

    def _verdict(self, replay: Replay) -> bytes:
        if replay.asked is None and replay.verdict == "exact":
            return b""
        payload = {"type": "stream", **where(self._stream, replay)}
        event_id = format_event_id(self._stream.stream_id, replay.position)
        return frame(payload, name=self._verdict_name, event_id=event_id)

    def _take(self, entry: Entry) -> None:
        self._remember(entry)
        self.done = self.done or entry.event.name in (END, CLOSE)
        if not self._first and self._shows(entry):
            self._first = entry.seq

    def _frame(self, entry: Entry, *, is_first: bool) -> bytes:
        if not self._shows(entry):
            return b""
        payload = self._payload(entry)
        if is_first:
            payload |= self._place()
        return frame(payload, name=self._name(entry), event_id=format_event_id(self._stream.stream_id, entry.seq))
