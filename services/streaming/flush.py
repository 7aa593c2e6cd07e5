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
from gevent.hub import Waiter
from redis.exceptions import RedisError

from services.streaming import keys
from services.streaming.connections import Replies
from services.streaming.events import DELTA, Entry, Event, StreamId, UserId, delta
from services.streaming.log import Started, encode

logger = logging.getLogger(__name__)

_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0
_REFUSED_S: Final = 0.1
_MULTI: Final = b"*1\r\n$5\r\nMULTI\r\n"
_EXEC: Final = b"*1\r\n$4\r\nEXEC\r\n"


class Writer:
    """The writing end of one run.

    Attributes:
        fence: Under which it writes; Redis refuses an older one.
        seq: Of the last entry that was given a place.
        committed: Seq of the last entry that the log has accepted.
        lost: Whether somebody else has taken the run; nothing more is written then.
        asks: How often somebody has asked to follow, and one.
        backlog: How many deltas wait to be written as one.
        followed: Whether another worker follows, so that entries are published as well. A worker that
            begins to follow says so on the control channel; a PUBLISH that nobody received ends it.
    """

    __slots__ = (
        "_on_lost",
        "_pending",
        "_publish",
        "_waiting",
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
        self._waiting: dict[Waiter[None], None] = {}
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

    def follow(self) -> None:
        """Publish from now on: somebody follows from another worker."""
        self.followed = True
        self.asks += 1

    @property
    def newest(self) -> Entry | None:
        """The last entry that it has written and the log accepted."""
        return self._written[-1] if self._written else None

    def take(self) -> None:
        """Give what waits its places and move it in flight."""
        for item in self._pending:
            self.seq += 1
            event = delta("".join(item)) if isinstance(item, list) else item
            self.in_flight.append(Entry(self.fence, self.seq, event))
        self._pending.clear()
        self.backlog = 0

    def commands(self) -> list[bytes]:
        """XADD, and PUBLISH if somebody follows, of what is in flight; packed.

        Several entries are one transaction: a server that refused the first and took the second, having
        memory again in between, would leave a hole that nothing can fill.
        """
        several = len(self.in_flight) > 1
        packed = [_MULTI] if several else []
        for fence, seq, event in self.in_flight:
            entry_id, payload = b"%d-%d" % (fence, seq), encode(event)
            id_size, size = len(entry_id), len(payload)
            packed.append(b"%b$%d\r\n%b\r\n$1\r\ne\r\n$%d\r\n%b\r\n" % (self._xadd, id_size, entry_id, size, payload))
            if self.followed:
                packed.append(b"%b$%d\r\n%b %b\r\n" % (self._publish, id_size + 1 + size, entry_id, payload))
        if several:
            packed.append(_EXEC)
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
        if self._waiting:
            self._wake_waiting()
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
            self._wake_waiting()
            self._on_lost()

    def settle(self, timeout_s: float | None = None) -> bool:
        """Wait until everything is in the log, or lost; whether that came in time."""
        if timeout_s is None:
            return self._settled()
        return bool(gevent.with_timeout(timeout_s, self._settled, timeout_value=False))

    def _settled(self) -> bool:
        # gevent's Event would do, at twice the cost: a run that waits for each of its events is woken for each.
        while self.in_flight or self._pending:
            waiter: Waiter[None] = Waiter()
            self._waiting[waiter] = None
            try:
                waiter.get()
            finally:
                self._waiting.pop(waiter, None)
        return True

    def _wake_waiting(self) -> None:
        """Let those go on who wait for this writer to settle, if it has."""
        if self.in_flight or self._pending:
            return
        for waiter in self._waiting:
            gevent.get_hub().loop.run_callback(waiter.switch, None)


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
        self._replies: Replies
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
        writer.put(event)
        if not writer.queued:
            writer.connection_number = writer.connection_number or self._number
            self._enqueue(writer)

    def recheck(self, writer: Writer) -> None:
        """Compare a writer with the log before it writes again."""
        writer.connection_number = -1
        self._enqueue(writer)

    def _enqueue(self, writer: Writer) -> None:
        if not writer.queued and not writer.lost:
            writer.queued = True
            if not self._queue:
                self._wake.set()
            self._queue.append(writer)

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
            self._connection, self._replies = connection, Replies(connection)
            self._number += 1
        connection = self._connection
        # On a new connection nobody knows how much of what was sent on the old one has arrived.
        unsure = [writer for writer in writers if writer.connection_number != self._number]
        if unsure:
            self._catch_up(unsure)
        commands: list[bytes] = []
        sent: list[tuple[Writer, int, int]] = []
        for writer in writers:
            sent.append((writer, len(writer.in_flight), writer.asks if writer.followed else 0))
            commands += writer.commands()
        if not commands:
            return []
        connection.send_packed_command([b"".join(commands)], check_health=False)
        doubtful = [writer for writer, count, published in sent if not self._read(writer, count, published)]
        if doubtful:
            self._catch_up(doubtful)
        return [writer for writer in doubtful if writer.in_flight]

    def _read(self, writer: Writer, count: int, published: int) -> bool:
        """Read the replies to `count` entries of a writer; whether the log took all of them.

        Args:
            published: The writer's `asks` when they were sent, if they were published as well, else 0.
        """
        if count == 1 and not published:
            taken = int(isinstance(self._replies.following(), bytes))
        else:
            taken = self._read_several(writer, count, published)
        # The writer may have been lost meanwhile; then whoever follows reads the log itself.
        if taken and not writer.lost:
            self._on_commit(writer, writer.accept(taken))
        return taken == count

    def _read_several(self, writer: Writer, count: int, published: int) -> int:
        each = 2 if published else 1
        if count > 1:
            replies = self._replies.of_transaction(each * count)
        else:
            replies = [self._replies.following() for _ in range(each * count)]
        # An id comes for each entry that was taken; a refusal, or nothing if there is no such log.
        taken = next((place for place, reply in enumerate(replies[::each]) if not isinstance(reply, bytes)), count)
        # Whoever asked after that was sent is not forgotten for it.
        if published == writer.asks and replies and replies[-1] == 0:
            writer.followed = False
        return taken

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
            fence, status = self._replies.good()
            top = self._replies.good()
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
