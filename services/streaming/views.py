"""What the engine asks of a dialect: how one API, or our pages, shows a stream. Pure.

The engine never makes a frame itself: it feeds committed entries to a view and delivers the bytes.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from services.streaming.events import Entry, StreamId, UserId

Verdict = Literal["exact", "snapshot", "gone"]


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What does not change in a stream's life."""

    user_id: UserId
    stream_id: StreamId
    assistant: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Replay:
    """Where a newcomer stands, and what it has not seen.

    Attributes:
        asked: The last event id that it named, or None on a fresh subscribe.
        position: The seq that is used: entries after it follow.
        tail: The seq of the last entry in the log.
        entries: What follows `position`, consecutive deltas before the tail merged into one entry
            that carries the seq of the last.
    """

    asked: str | None
    position: int
    tail: int
    verdict: Verdict
    entries: Sequence[Entry]


class View(Protocol):
    """One dialect's rendering of one followed stream, shared by its viewers in this process."""

    @property
    def done(self) -> bool:
        """Whether the last frame has been given, so that viewers can be sent home."""
        ...

    def prime(self, entries: Sequence[Entry]) -> None:
        """Take what the log held before anybody was connected: as `feed`, but nothing is sent."""
        ...

    def feed(self, entries: Sequence[Entry]) -> bytes:
        """Take what the log gained: in order, each entry once, the oldest in the log first.

        Returns:
            Frames for all who are connected already; empty if there is nothing to show.
        """
        ...

    def greeting(self, replay: Replay) -> bytes:
        """The first bytes for a newcomer. The view has been fed up to `replay.tail`."""
        ...

    def beat(self, idle_s: float) -> bytes:
        """A heartbeat for a connection that has seen no event for `idle_s` seconds."""
        ...


class Dialect(Protocol):
    """How one API names and shapes events on the wire."""

    @property
    def key(self) -> Hashable:
        """Viewers with the same key share frames."""
        ...

    @property
    def interval_s(self) -> float:
        """The least time between two calls of `View.feed`; 0 for each commit at once."""
        ...

    def shows(self, entry: Entry) -> bool:
        """Whether this entry makes a frame; one that makes none is not waited for."""
        ...

    def view(self, stream: StreamFacts) -> View:
        """A new view that has been fed nothing."""
        ...
