"""One stream as a process knows it, and where a reader stands in it. Pure but for its lock."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from gevent.lock import BoundedSemaphore

from services.streaming.events import Entry, StreamId, UserId
from services.streaming.push import Channel
from services.streaming.views import StreamFacts, Verdict
from services.streaming.wire import parse_event_id
from services.streaming.writer import Writer

Key = tuple[UserId, StreamId]


@dataclass(slots=True, eq=False)
class Follow:
    """One stream that is watched or written here.

    Attributes:
        entries: Contiguous from seq 1, so that a seq is also a place in the list.
        channels: One for each dialect that is read here.
        writer: Of the run that writes it in this worker, if there is one.
        is_listening: Whether its channel of notifications is subscribed.
        is_attached: Whether it has been read from the log since then.
        is_sure: Whether a notification may be taken as it comes. After a lost connection it may not, until
            the log has been read: the wake-up of an overtaken writer looks like that of the one who is.
        is_behind: Whether somebody is about to read the log already.
        joining: Readers who are about to become viewers.
        is_closed: Whether nothing will follow.
        idle_since_s: When the last viewer or writer left, on the monotonic clock.
        lock: Held while it is read from the log.
    """

    facts: StreamFacts
    entries: list[Entry] = field(default_factory=list)
    channels: dict[Hashable, Channel] = field(default_factory=dict)
    writer: Writer | None = None
    is_listening: bool = False
    is_attached: bool = False
    is_sure: bool = False
    is_behind: bool = False
    joining: int = 0
    is_closed: bool = False
    idle_since_s: float = 0.0
    lock: BoundedSemaphore = field(default_factory=BoundedSemaphore)

    @property
    def key(self) -> Key:
        return self.facts.user_id, self.facts.stream_id

    @property
    def tail(self) -> int:
        return self.entries[-1].seq if self.entries else 0

    @property
    def top(self) -> str:
        """The id in the log of the last known entry, as the exclusive start of a range."""
        return f"({self.entries[-1].fence}-{self.entries[-1].seq}" if self.entries else "-"

    @property
    def viewers(self) -> int:
        return sum(len(channel.viewers) for channel in self.channels.values())

    @property
    def is_wanted(self) -> bool:
        """Whether somebody reads it here, or is about to."""
        return self.joining > 0 or self.viewers > 0

    def append(self, entries: Sequence[Entry]) -> bool:
        """Take entries that the log has accepted; False if some are missing before them."""
        fence, tail, _ = self.entries[-1] if self.entries else (0, 0, None)
        first_fence, first, _ = entries[0] if len(entries) == 1 else (0, 0, None)
        if first != tail + 1 or first_fence < fence:
            # An older fence is a writer that was overtaken: Redis refused its entry, not its wake-up.
            entries = [entry for entry in entries if entry.seq > tail and entry.fence >= fence]
            if not entries:
                return True
            if entries[0].seq != tail + 1:
                return False
        self.entries.extend(entries)
        for channel in self.channels.values():
            channel.feed(entries)
        return True


def place(last_event_id: str | None, stream_id: StreamId, tail: int) -> tuple[int, Verdict]:
    """Where a reader stands, and how sure that is."""
    if last_event_id is None:
        return 0, "exact"
    cursor = parse_event_id(last_event_id)
    if cursor is None or cursor[0] != stream_id or cursor[1] > tail:
        return 0, "snapshot"
    return cursor[1], "exact"
