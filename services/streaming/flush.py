"""What this worker's runs write: one connection, packed commands, flushed at once.

A run hands its events to its `Writer`; the `Flusher` sends all writers' events in one packed write,
reads the replies and only then tells the hub (commit before push). While a write is in flight,
deltas pile up in their writer and are merged. Source of the costs: docs/operations.md, "Figures".
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import gevent
from gevent.event import Event as Signal
from redis.exceptions import RedisError

from services.streaming import keys
from services.streaming.connections import Replies
from services.streaming.events import Entry, Event
from services.streaming.writer import Writer, wake

logger = logging.getLogger(__name__)

_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0
_REFUSED_S: Final = 0.1

# A writer, and entries of its that the log has taken.
Accepted = tuple[Writer, list[Entry]]


class Flusher:
    """The worker's one writing connection."""

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        on_commit: Callable[[Sequence[Accepted]], None],
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
            if not writer.connection_number:
                writer.connection_number = self._number
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
            count = writer.pack(commands)
            if count:
                sent.append((writer, count, writer.asks if writer.followed else 0))
        if not sent:
            return []
        connection.send_packed_command([b"".join(commands)], check_health=False)
        doubtful = self._read(sent)
        if doubtful:
            self._catch_up(doubtful)
        return [writer for writer in doubtful if writer.in_flight]

    def _read(self, sent: Sequence[tuple[Writer, int, int]]) -> list[Writer]:
        """Read the replies to all that was sent, then tell of all that the log took.

        Args:
            sent: Of each writer how many entries, and its `asks` at that time if they were published as well, else 0.

        Returns:
            Writers of whose entries the log did not take all.
        """
        doubtful: list[Writer] = []
        accepted: list[Accepted] = []
        following = self._replies.following
        try:
            for writer, count, published in sent:
                if count == 1 and not published:
                    taken = int(isinstance(following(), bytes))
                else:
                    taken = self._read_several(writer, count, published)
                if taken != count:
                    doubtful.append(writer)
                # The writer may have been lost meanwhile; then whoever follows reads the log itself.
                if taken and not writer.lost:
                    accepted.append((writer, writer.accept(taken)))
        finally:
            if accepted:
                self._tell(accepted)
        return doubtful

    def _tell(self, accepted: Sequence[Accepted]) -> None:
        """Hand on what the log took, and let those go on who waited for it."""
        try:
            self._on_commit(accepted)
        finally:
            wake([writer for writer, _ in accepted if writer.waiting])

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
                self._tell([(writer, known)])

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
