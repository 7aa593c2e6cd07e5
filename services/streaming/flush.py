"""What this worker's runs write: one connection, packed commands, flushed at once.

A run hands its events to its `Writer`; the `Flusher` sends all writers' events in one packed write,
reads the replies and only then tells the hub (commit before push). While a write is in flight,
deltas pile up in their writer and are merged. Source of the costs: docs/operations.md, "Figures".
"""

import logging
from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent.event import Event as Signal
from redis.exceptions import RedisError, ResponseError

from services.streaming import keys
from services.streaming.events import DELTA, Entry, Event, StreamId, UserId, delta
from services.streaming.log import Started, encode

logger = logging.getLogger(__name__)

_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0
_REFUSED_S: Final = 0.1


class Writer:
    """The writing end of one run.

    Attributes:
        fence: Under which it writes; Redis refuses an older one.
        seq: Of the last entry that was given a place.
        committed: Seq of the last entry that the log has accepted.
        lost: Whether somebody else has taken the run; nothing more is written then.
        followed: Whether another worker follows, so that entries are published as well. A worker that
            begins to follow says so on the control channel; a PUBLISH that nobody received ends it.
    """

    __slots__ = (
        "_on_lost",
        "_pending",
        "_publish",
        "_settled",
        "_written",
        "_xadd",
        "channel",
        "committed",
        "connection_number",
        "fence",
        "followed",
        "in_flight",
        "log_key",
        "lost",
        "queued",
        "seq",
        "stream_id",
        "user_id",
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
        self.log_key = keys.log(user_id, stream_id)
        self.channel = keys.live(user_id, stream_id)
        self.fence = started.fence
        self.seq = started.seq
        self.committed = started.seq
        self.lost = False
        self.followed = followed
        self.queued = False
        self.connection_number = 0
        self.in_flight: list[Entry] = []
        self._written: list[Entry] = []
        key, channel = self.log_key.encode(), self.channel.encode()
        # The commands of an entry, but for its id and payload: packing them anew costs more than sending them.
        self._xadd = b"*6\r\n$4\r\nXADD\r\n$%d\r\n%b\r\n$10\r\nNOMKSTREAM\r\n" % (len(key), key)
        self._publish = b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n" % (len(channel), channel)
        self._pending: list[Event | list[str]] = []
        self._settled = Signal()
        self._settled.set()
        self._on_lost = on_lost

    def put(self, event: Event) -> None:
        """Take an event; a delta joins the delta that waits before it."""
        if self.lost:
            return
        pending = self._pending
        if not pending:
            self._settled.clear()
            pending.append(event)
        elif event.name != DELTA:
            pending.append(event)
        elif isinstance(pending[-1], list):
            pending[-1].append(event.data["text"])
        elif pending[-1].name == DELTA:
            pending[-1] = [pending[-1].data["text"], event.data["text"]]
        else:
            pending.append(event)

    @property
    def backlog(self) -> int:
        """How many deltas wait to be written as one."""
        return len(self._pending[-1]) if self._pending and isinstance(self._pending[-1], list) else 0

    def take(self) -> None:
        """Give what waits its places and move it in flight."""
        for item in self._pending:
            self.seq += 1
            event = delta("".join(item)) if isinstance(item, list) else item
            self.in_flight.append(Entry(self.fence, self.seq, event))
        self._pending.clear()

    def commands(self) -> list[bytes]:
        """XADD, and PUBLISH if somebody follows, of what is in flight; packed."""
        packed = []
        for entry in self.in_flight:
            entry_id, payload = b"%d-%d" % (entry.fence, entry.seq), encode(entry.event)
            id_size, size = len(entry_id), len(payload)
            packed.append(b"%b$%d\r\n%b\r\n$1\r\ne\r\n$%d\r\n%b\r\n" % (self._xadd, id_size, entry_id, size, payload))
            if self.followed:
                packed.append(b"%b$%d\r\n%b %b\r\n" % (self._publish, id_size + 1 + size, entry_id, payload))
        return packed

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
        if not self.in_flight and not self._pending:
            self._settled.set()
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
            self._settled.clear()
        return known

    def lose(self) -> None:
        """Somebody else has the run now."""
        if not self.lost:
            self.lost = True
            self._pending.clear()
            self.in_flight.clear()
            self._settled.set()
            self._on_lost()

    def settle(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is in the log, or lost; whether that came in time."""
        return bool(self._settled.wait(timeout_s))


class Flusher:
    """The worker's one writing connection."""

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        on_commit: Callable[[Writer, list[Entry]], None],
    ) -> None:
        self._connect = connect
        self._number = 0
        self._connection: Any = None  # a redis-py Connection; its methods are untyped
        self._on_commit = on_commit
        self._queue: list[Writer] = []
        self._wake = Signal()
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        self._greenlet = gevent.spawn(self._run)

    def close(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
        if self._connection is not None:
            self._connection.disconnect()

    def put(self, writer: Writer, event: Event) -> None:
        """Hand over an event; returns at once."""
        writer.connection_number = writer.connection_number or self._number
        writer.put(event)
        self._enqueue(writer)

    def recheck(self, writer: Writer) -> None:
        """Compare a writer with the log before it writes again."""
        writer.connection_number = -1
        self._enqueue(writer)

    def _enqueue(self, writer: Writer) -> None:
        if not writer.queued and not writer.lost:
            writer.queued = True
            self._queue.append(writer)
            self._wake.set()

    def _run(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while True:
            self._wake.wait()
            self._wake.clear()
            writers, self._queue = self._queue, []
            for writer in writers:
                writer.queued = False
                writer.take()
            done = False
            while not done:
                try:
                    refused = self._flush(writers)
                    done, backoff_s = True, _FIRST_BACKOFF_S
                    for writer in refused:
                        # The server takes no writes now (no memory, no disk): the others need not wait for it.
                        gevent.spawn_later(_REFUSED_S, self._enqueue, writer)
                except Exception as problem:  # the top of a greenlet: all runs of this worker depend on it
                    if isinstance(problem, RedisError | OSError):
                        logger.warning("redis is away, events wait", extra={"reason": type(problem).__name__})
                    else:
                        logger.exception("events not written, tried again")
                    self._disconnect()
                    gevent.sleep(backoff_s)
                    backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)

    def _flush(self, writers: list[Writer]) -> list[Writer]:
        """Send what is in flight; returns the writers that must be looked at again."""
        if self._connection is None:
            connection = self._connect()
            connection.connect()
            self._connection = connection
            self._number += 1
        connection = self._connection
        # On a new connection nobody knows how much of what was sent on the old one has arrived.
        unsure = [writer for writer in writers if writer.connection_number != self._number]
        if unsure:
            self._catch_up(unsure)
        commands: list[bytes] = []
        sent: list[tuple[Writer, int, bool]] = []
        for writer in writers:
            sent.append((writer, len(writer.in_flight), writer.followed))
            commands += writer.commands()
        if not commands:
            return []
        connection.send_packed_command([b"".join(commands)], check_health=False)
        doubtful = [writer for writer, count, published in sent if not self._read(connection, writer, count, published)]
        if doubtful:
            self._catch_up(doubtful)
        return [writer for writer in doubtful if writer.in_flight]

    def _read(self, connection: Any, writer: Writer, count: int, published: bool) -> bool:
        """Read the replies to `count` entries of a writer; whether the log took all of them."""
        taken, whole = 0, True
        for _ in range(count):
            try:
                reply = connection.read_response()
            except ResponseError:
                reply = None
            if reply is None:
                whole = False
            elif whole:
                taken += 1
            if published and not connection.read_response():
                writer.followed = False
        # The writer may have been lost meanwhile; then whoever follows reads the log itself.
        if taken and not writer.lost:
            self._on_commit(writer, writer.accept(taken))
        return whole

    def _catch_up(self, writers: list[Writer]) -> None:
        """After doubt (a new connection, a refused entry): put in flight just what the log lacks."""
        connection = self._connection
        for writer in writers:
            state_key = keys.state(writer.user_id, writer.stream_id)
            connection.send_packed_command(
                connection.pack_commands(
                    [("HMGET", state_key, "fence", "status"), ("XREVRANGE", writer.log_key, "+", "-", "COUNT", 1)]
                ),
                check_health=False,
            )
            fence, status = connection.read_response()
            top = connection.read_response()
            writer.connection_number = self._number
            if writer.lost:
                continue
            if fence is None or int(fence) != writer.fence or status != b"running" or not top:
                writer.lose()
                continue
            known = writer.rewind(int(top[0][0].partition(b"-")[2]))
            if known:
                self._on_commit(writer, known)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
