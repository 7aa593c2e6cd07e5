"""The writing end of one run: what it has said, has sent and has in the log."""

from collections.abc import Callable
from typing import Final

import gevent
from greenlet import greenlet

from services.streaming import keys
from services.streaming.events import DELTA, Entry, Event, StreamId, UserId, delta, new_tuple
from services.streaming.payload import encode
from services.streaming.state import Started

_MULTI: Final = b"*1\r\n$5\r\nMULTI\r\n"
_EXEC: Final = b"*1\r\n$4\r\nEXEC\r\n"
_XADD_REST: Final = b"%b$%d\r\n%b\r\n$1\r\ne\r\n$%d\r\n%b\r\n"


class Writer:
    """The writing end of one run.

    Attributes:
        fence: Under which it writes; Redis refuses an older one.
        seq: Of the last entry that was given a place.
        committed: Seq of the last entry that the log has accepted.
        lost: Whether somebody else has taken the run; nothing more is written then.
        asks: How often somebody has asked to follow, and one.
        backlog: How many deltas wait to be written as one.
        waiting: Greenlets that wait for it to settle.
        followed: Whether another worker follows, so that entries are published as well. A worker that
            begins to follow says so on the control channel; a PUBLISH that nobody received ends it.
    """

    __slots__ = (
        "_hub",
        "_on_lost",
        "_pending",
        "_publish",
        "_written",
        "_xadd",
        "asks",
        "backlog",
        "channel",
        "committed",
        "connection_number",
        "fence",
        "followed",
        "in_flight",
        "key",
        "log_key",
        "lost",
        "queued",
        "seq",
        "stream_id",
        "user_id",
        "waiting",
    )

    def __init__(
        self,
        user_id: UserId,
        stream_id: StreamId,
        started: Started,
        *,
        on_lost: Callable[[], None],
        followed: bool = True,
    ) -> None:
        self.user_id = user_id
        self.stream_id = stream_id
        self.key = user_id, stream_id
        self.log_key = keys.log(user_id, stream_id)
        self.channel = keys.live(user_id, stream_id)
        self.fence = started.fence
        self.seq = started.seq
        self.committed = started.seq
        self.lost = False
        self.followed = followed
        self.asks = 1
        self.queued = False
        self.backlog = 0
        self.connection_number = 0
        self.in_flight: list[Entry] = []
        self._written: list[Entry] = []
        key, channel = self.log_key.encode(), self.channel.encode()
        # The commands of an entry, but for its id and payload: packing them anew costs more than sending them.
        self._xadd = b"*6\r\n$4\r\nXADD\r\n$%d\r\n%b\r\n$10\r\nNOMKSTREAM\r\n" % (len(key), key)
        self._publish = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n" % (len(channel), channel)
        self._pending: list[Event | list[str]] = []
        self._hub = gevent.get_hub()
        self.waiting: list[greenlet] = []
        self._on_lost = on_lost

    def put(self, event: Event) -> None:
        """Take an event; a delta joins the delta that waits before it."""
        pending = self._pending
        if self.lost:
            return
        if not pending or event.name != DELTA:
            pending.append(event)
            self.backlog = 0
        elif isinstance(pending[-1], list):
            pending[-1].append(event.data["text"])
            self.backlog += 1
        elif pending[-1].name == DELTA:
            pending[-1] = [pending[-1].data["text"], event.data["text"]]
            self.backlog = 2
        else:
            pending.append(event)

    @property
    def pending(self) -> int:
        """How many entries wait to be given their places."""
        return len(self._pending)

    def follow(self) -> None:
        """Publish from now on: somebody follows from another worker."""
        self.followed = True
        self.asks += 1

    @property
    def newest(self) -> Entry | None:
        """The last entry that it has written and the log accepted."""
        return self._written[-1] if self._written else None

    def pack(self, commands: list[bytes]) -> int:
        """Give what waits its places, and add XADD, and PUBLISH if somebody follows, of all that is in flight.

        Several entries are one transaction: a server that refused the first and took the second, having
        memory again in between, would leave a hole that nothing can fill.

        Returns:
            How many entries are in flight.
        """
        in_flight, fence = self.in_flight, self.fence
        for item in self._pending:
            self.seq += 1
            event = delta("".join(item)) if type(item) is list else item
            in_flight.append(new_tuple(Entry, (fence, self.seq, event)))
        self._pending.clear()
        self.backlog = 0
        several = len(in_flight) > 1
        if several:
            commands.append(_MULTI)
        for _, seq, event in in_flight:
            entry_id, payload = b"%d-%d" % (fence, seq), encode(event)
            id_size, size = len(entry_id), len(payload)
            commands.append(_XADD_REST % (self._xadd, id_size, entry_id, size, payload))
            if self.followed:
                commands.append(b"%b$%d\r\n%b %b\r\n" % (self._publish, id_size + 1 + size, entry_id, payload))
        if several:
            commands.append(_EXEC)
        return len(in_flight)

    def accept(self, count: int) -> list[Entry]:
        """The first `count` entries in flight are in the log."""
        if count == len(self.in_flight):
            taken, self.in_flight = self.in_flight, []
        else:
            taken = self.in_flight[:count]
            del self.in_flight[:count]
        self._written += taken
        if taken:
            self.committed = taken[-1].seq
        return taken

    def rewind(self, top: int) -> list[Entry]:
        """The log ends at `top`: put in flight what is missing after it.

        A server that lost its last second gets entries again that it had accepted once.

        Returns:
            Entries in flight that turned out to be in the log.
        """
        known = self.accept(sum(1 for entry in self.in_flight if entry.seq <= top))
        missing = [item for item in self._written if item.seq > top]
        if missing:
            del self._written[-len(missing) :]
            self.in_flight[:0] = missing
        return known

    def lose(self) -> None:
        """Somebody else has the run now."""
        if not self.lost:
            self.lost = True
            self._pending.clear()
            self.in_flight.clear()
            self.backlog = 0
            wake([self])
            self._on_lost()

    def settle(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is in the log, or lost; whether that came in time."""
        if timeout_s is not None:
            return bool(gevent.with_timeout(timeout_s, self.settle, timeout_value=False))
        # gevent's Event would do, at twice the cost: a run that waits for each of its events is woken for each.
        while self.in_flight or self._pending:
            self.waiting.append(gevent.getcurrent())
            try:
                self._hub.switch()
            except BaseException:
                # Not woken by this writer: nobody may switch here on its account any more.
                self.waiting.remove(gevent.getcurrent())
                raise
        return True

    def wake(self) -> None:
        """Let those go on who wait for it to settle; they look for themselves whether it has. Runs in the hub."""
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            waiter.switch()


def wake(writers: list[Writer]) -> None:
    """Wake those who wait for these writers, in the next turn of the loop: together, at a third of the cost."""
    if writers:
        gevent.get_hub().loop.run_callback(_wake_all, writers)


def _wake_all(writers: list[Writer]) -> None:
    for writer in writers:
        writer.wake()
