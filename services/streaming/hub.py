"""A process's view of the streams that are watched or written here.

The hub keeps one `Follow` a stream: its entries, and a channel for each dialect with its viewers.
Entries come from this worker's flusher or, for a stream that another worker writes, from the
subscription; the log in Redis fills every gap.
"""

import logging
import random
import time
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import gevent
from gevent.lock import BoundedSemaphore
from redis import Redis
from redis.exceptions import RedisError

from services import errors
from services.streaming import keys
from services.streaming.coalesce import merged
from services.streaming.events import Entry, StreamId, UserId
from services.streaming.flush import Flusher, Writer
from services.streaming.log import LEASE_MS, LUA, EventLog, decode
from services.streaming.push import Channel, Pusher, Viewer
from services.streaming.subscription import Subscription
from services.streaming.views import Dialect, Replay, StreamFacts, Verdict
from services.streaming.wire import parse_event_id

logger = logging.getLogger(__name__)

_CONFIRM_S: Final = 1.5
_POLL_S: Final = 2.0
_POLL_BATCH: Final = 50
_TICK_S: Final = 1.0
# A closed stream stays in memory for readers who come back; only so many do.
_LINGER_S: Final = 60.0
_MAX_LINGERING: Final = 500
# A stream that is open stays for a reader who is about to join only.
_JOIN_S: Final = 5.0
_MAX_AGE_S: Final = 3600.0

Key = tuple[UserId, StreamId]


@dataclass(frozen=True, slots=True)
class Finished:
    """The reader has seen all of a closed stream: there is nothing to send, now or later."""


@dataclass(slots=True, eq=False)
class Follow:
    """One stream as this process knows it. `entries` are contiguous from seq 1."""

    facts: StreamFacts
    entries: list[Entry] = field(default_factory=list)
    channels: dict[Hashable, Channel] = field(default_factory=dict)
    writer: Writer | None = None
    subscribed: bool = False
    closed: bool = False
    idle_since_s: float = 0.0
    lock: BoundedSemaphore = field(default_factory=BoundedSemaphore)

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

    def append(self, entries: Sequence[Entry]) -> bool:
        """Take entries that the log has accepted; False if some are missing before them."""
        tail, fence = (self.entries[-1].seq, self.entries[-1].fence) if self.entries else (0, 0)
        if len(entries) != 1 or entries[0].seq != tail + 1 or entries[0].fence < fence:
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


class Hub:
    """See the module's text.

    Args:
        connect: Makes a bare connection; its argument is the read time-out in seconds or None.
        heartbeat_s: Seconds between heartbeats.
        max_viewers: Of this worker, below its pool of greenlets.
        push: Whether viewers' sockets are written directly.
    """

    def __init__(
        self,
        redis: Redis,
        log: EventLog,
        connect: Callable[[float | None], Any],
        *,
        heartbeat_s: float,
        max_viewers: int,
        push: bool = True,
    ) -> None:
        self.worker = uuid.uuid4().hex
        self.log = log
        self.flusher = Flusher(lambda: connect(2.0), on_commit=self._committed)
        self.pusher = Pusher()
        self.viewers = 0
        self.draining = False
        # Set by the runs of this worker: what to do with a lapsed run, and when viewers have left.
        self.on_orphan: Callable[[UserId, StreamId], None] = lambda _user, _stream: None
        self.on_unwatched: Callable[[UserId, StreamId, bool], None] = lambda _user, _stream, _local: None
        self._redis: Any = redis
        self._watch = redis.register_script((LUA / "watch.lua").read_text())
        self._subscription = Subscription(lambda: connect(None), on_resume=self._resumed)
        self._follows: dict[Key, Follow] = {}
        self._heartbeat_s = heartbeat_s
        self._max_viewers = max_viewers
        self._push = push
        self._greenlets: list[gevent.Greenlet[..., None]] = []

    def start(self, *, on_control: Callable[[bytes], None]) -> None:
        """Open the worker's connections; called when the worker starts, never in a request."""
        self.flusher.start()
        self._subscription.start()
        self._subscription.add(keys.CONTROL, on_control, timeout_s=_CONFIRM_S)
        self._greenlets = [gevent.spawn(self._tick), gevent.spawn(self._poll)]

    def close(self) -> None:
        gevent.killall(self._greenlets)
        self._subscription.close()
        self.flusher.close()

    # -- what runs here

    def open_local(self, facts: StreamFacts, writer: Writer, first: Entry) -> None:
        """A run of this worker writes this stream from `first` on."""
        key = (facts.user_id, facts.stream_id)
        follow = self._follows.get(key)
        if follow is None:
            follow = self._follows[key] = Follow(facts)
        follow.writer = writer
        follow.closed = False
        if not follow.append([first]):
            self._fill(follow)
            follow.append([first])

    def close_local(self, key: Key, closing: Sequence[Entry] | None, *, closed: bool) -> None:
        """The run has ended.

        Args:
            closing: Its closing entries, or None if somebody else wrote them.
            closed: Whether the stream is closed, so that nothing will follow.
        """
        follow = self._follows.get(key)
        if follow is None:
            return
        follow.writer = None
        follow.idle_since_s = time.monotonic()
        is_whole = closing is not None and follow.append(closing)
        if is_whole and closed:
            follow.closed = True
        elif follow.viewers:
            gevent.spawn(self._adopt, follow)
        else:
            self._drop(follow)

    def facts(self, user_id: UserId, stream_id: StreamId) -> StreamFacts | None:
        """What this process knows of a stream already, without asking Redis."""
        follow = self._follows.get((user_id, stream_id))
        return follow.facts if follow is not None and follow.entries else None

    def has_viewers(self, key: Key) -> bool:
        """Whether anybody watches this stream from this worker."""
        follow = self._follows.get(key)
        return follow is not None and follow.viewers > 0

    def _committed(self, writer: Writer, entries: list[Entry]) -> None:
        follow = self._follows.get((writer.user_id, writer.stream_id))
        if follow is not None and not follow.append(entries):
            gevent.spawn(self._catch_up, follow)

    # -- viewers

    def subscribe(
        self,
        facts: StreamFacts,
        dialect: Dialect,
        *,
        last_event_id: str | None,
        environ: Mapping[str, Any],
        stays: bool = False,
    ) -> Viewer | Finished:
        """Open a response on a stream.

        Args:
            last_event_id: The newest id that the reader has, or None for all.
            stays: Whether the response is kept at a deploy until its run ends.

        Raises:
            SiteFull: This worker has as many viewers as it may.
            NotFound: There is no log (any more).
            Unavailable: Redis is away.
        """
        if self.viewers >= self._max_viewers:
            raise errors.SiteFull(
                "Too many people are reading here. Try again in a moment.",
                code="VIEWERS_FULL",
                retry_after_s=5,
                extra={"limit": self._max_viewers, "current": self.viewers},
            )
        follow = self._followed(facts)
        position, verdict = _place(last_event_id, facts.stream_id, follow.tail)
        if last_event_id is not None and verdict == "exact" and self._is_over(follow, dialect, position):
            return Finished()
        replay = Replay(last_event_id, position, follow.tail, verdict, merged(follow.entries[position:]))
        return self._join(follow, dialect, replay, environ, stays)

    def _join(
        self, follow: Follow, dialect: Dialect, replay: Replay, environ: Mapping[str, Any], stays: bool
    ) -> Viewer:
        channel = follow.channels.get(dialect.key)
        if channel is None:
            view = dialect.view(follow.facts)
            channel = Channel(view, interval_s=dialect.interval_s, pusher=self.pusher)
            channel.prime(follow.entries)
            follow.channels[dialect.key] = channel
        else:
            channel.flush()
        first = not follow.viewers
        viewer = Viewer(
            channel,
            replay,
            on_leave=lambda: self._left(follow),
            environ=environ,
            push=self._push,
            stays=stays,
        )
        self.viewers += 1
        if first and follow.writer is None and not follow.closed:
            gevent.spawn(self._tell_watched, [follow])
        return viewer

    def _left(self, follow: Follow) -> None:
        self.viewers -= 1
        if follow.viewers:
            return
        follow.idle_since_s = time.monotonic()
        key = (follow.facts.user_id, follow.facts.stream_id)
        if follow.writer is not None:
            self.on_unwatched(*key, True)
        elif not follow.closed:
            gevent.spawn(self._forget, follow)

    def send_away(self, *, retry_ms: int) -> None:
        """Tell all viewers that come by GET to come back, spread over `retry_ms` to twice that."""
        self.draining = True
        for viewer in self._all_viewers():
            if not viewer.stays:
                viewer.dismiss(random.randint(retry_ms, 2 * retry_ms))  # noqa: S311 - jitter

    def _all_viewers(self) -> list[Viewer]:
        return [
            viewer
            for follow in self._follows.values()
            for channel in follow.channels.values()
            for viewer in channel.viewers
        ]

    # -- streams that others write

    def _followed(self, facts: StreamFacts) -> Follow:
        """The stream's `Follow`, whole up to now and fed from now on."""
        key = (facts.user_id, facts.stream_id)
        follow = self._follows.get(key)
        if follow is None:
            follow = self._follows[key] = Follow(facts)
        follow.idle_since_s = time.monotonic()
        if follow.writer is None and not follow.closed and not follow.subscribed:
            self._go_remote(follow)
        if not follow.entries:
            self._follows.pop(key, None)
            raise errors.NotFound("Stream not found")
        return follow

    def _go_remote(self, follow: Follow) -> None:
        """Subscribe, wait for the confirmation, then read what the log holds."""
        with follow.lock:
            if follow.writer is not None:
                return
            if follow.subscribed:
                self._fill(follow)
                return
            name = keys.live(follow.facts.user_id, follow.facts.stream_id)
            self._subscription.add(name, lambda message: self._message(follow, message), timeout_s=_CONFIRM_S)
            follow.subscribed = True
            try:
                self._fill(follow)
            except errors.Unavailable:
                follow.subscribed = bool(follow.viewers)
                if not follow.viewers:
                    self._subscription.remove(name)
                    self._follows.pop((follow.facts.user_id, follow.facts.stream_id), None)
                raise

    def _adopt(self, follow: Follow) -> None:
        """As `_go_remote`, in a greenlet of its own; the next poll tries again."""
        try:
            self._go_remote(follow)
        except errors.Unavailable:
            logger.debug("following must wait", extra={"stream_id": follow.facts.stream_id})

    def _fill(self, follow: Follow) -> None:
        """Read from the log what is missing after the tail."""
        follow.append(self.log.read(follow.facts.user_id, follow.facts.stream_id, first=follow.top))

    def _catch_up(self, follow: Follow) -> None:
        """As `_fill`, in a greenlet of its own: what fails now is tried again by the next poll."""
        with follow.lock:
            try:
                self._fill(follow)
            except errors.Unavailable:
                logger.debug("catching up must wait", extra={"stream_id": follow.facts.stream_id})

    def _message(self, follow: Follow, message: bytes) -> None:
        entry_id, _, payload = message.partition(b" ")
        if not follow.append([decode(entry_id, payload)]):
            gevent.spawn(self._catch_up, follow)

    def _resumed(self) -> None:
        for follow in list(self._follows.values()):
            if follow.subscribed:
                self._catch_up(follow)

    def _forget(self, follow: Follow) -> None:
        """The last viewer of a stream that others write has left."""
        facts = follow.facts
        try:
            reply = self._watch(
                keys=[keys.state(facts.user_id, facts.stream_id), keys.viewers(facts.user_id, facts.stream_id)],
                args=[self.worker, 0],
            )
        except RedisError:
            reply = []  # the lease on being watched lapses by itself
        if follow.viewers or follow.writer is not None:
            return
        self._drop(follow)
        if reply and not reply[0] and reply[1] == b"running":
            self.on_unwatched(facts.user_id, facts.stream_id, False)

    def _drop(self, follow: Follow) -> None:
        key = (follow.facts.user_id, follow.facts.stream_id)
        if self._follows.get(key) is follow:
            del self._follows[key]
        if follow.subscribed:
            follow.subscribed = False
            self._subscription.remove(keys.live(*key))

    def _is_over(self, follow: Follow, dialect: Dialect, position: int) -> bool:
        """Whether the stream is closed and a reader who stands at `position` has seen all of it."""
        # Entries are contiguous from seq 1, so that a seq is also a place in the list.
        if any(dialect.shows(entry) for entry in follow.entries[position:]):
            return False
        if not follow.closed and follow.writer is None:
            state = self.log.state(follow.facts.user_id, follow.facts.stream_id)
            if state is None or state.status == "closed":
                self._fill(follow)
                follow.closed = True
        return follow.closed and not any(dialect.shows(entry) for entry in follow.entries[position:])

    # -- clocks

    def _tick(self) -> None:
        """Heartbeats, the age of connections, and streams that nobody reads any more."""
        while True:
            gevent.sleep(_TICK_S)
            now_s = time.monotonic()
            for count, follow in enumerate(list(self._follows.values())):
                if count % 200 == 199:
                    gevent.sleep(0)
                for channel in follow.channels.values():
                    if channel.viewers:
                        channel.beat(now_s, every_s=self._heartbeat_s)
            self._retire(now_s)

    def _retire(self, now_s: float) -> None:
        for viewer in self._all_viewers():
            # 10 % jitter, the same for a viewer at every tick.
            limit_s = _MAX_AGE_S * (0.95 + 0.1 * (id(viewer) % 997 / 997))
            if not viewer.stays and now_s - viewer.since_s > limit_s:
                viewer.dismiss(random.randint(100, 1000))  # noqa: S311 - jitter
        idle = [follow for follow in self._follows.values() if follow.writer is None and not follow.viewers]
        spare = len(idle) - _MAX_LINGERING
        for count, follow in enumerate(idle):
            linger_s = _LINGER_S if follow.closed else _JOIN_S
            if count < spare or now_s - follow.idle_since_s > linger_s:
                self._drop(follow)

    def _poll(self) -> None:
        """Look after streams that others write: gaps, lapsed leases, streams idle for too long."""
        while True:
            gevent.sleep(_POLL_S)
            follows = [
                follow
                for follow in self._follows.values()
                if follow.writer is None and follow.viewers and not follow.closed
            ]
            for start in range(0, len(follows), _POLL_BATCH):
                try:
                    self._tell_watched(follows[start : start + _POLL_BATCH])
                except Exception:  # the top of a greenlet: looking after the others goes on
                    logger.exception("poll failed")
                gevent.sleep(0)

    def _tell_watched(self, follows: Sequence[Follow]) -> None:
        """Say in Redis that these streams have viewers here, and act on what it answers."""
        pipeline = self._redis.pipeline(transaction=False)
        for follow in follows:
            facts = follow.facts
            self._watch(
                keys=[keys.state(facts.user_id, facts.stream_id), keys.viewers(facts.user_id, facts.stream_id)],
                args=[self.worker, LEASE_MS],
                client=pipeline,
            )
            pipeline.xrevrange(keys.log(facts.user_id, facts.stream_id), count=1)
        try:
            replies = pipeline.execute(raise_on_error=False)
        except RedisError:
            return
        for follow, reply, top in zip(follows, replies[::2], replies[1::2], strict=True):
            self._look_after(follow, reply, top)

    def _look_after(self, follow: Follow, reply: Any, top: Any) -> None:
        if isinstance(reply, Exception) or isinstance(top, Exception):
            return
        facts = follow.facts
        if not reply:
            # The log is gone under its readers: they come back and are told from the stored answer.
            for channel in follow.channels.values():
                for viewer in list(channel.viewers):
                    viewer.dismiss(random.randint(100, 1000))  # noqa: S311 - jitter
            return
        status, left_ms = reply[1], int(reply[2])
        seq = int(top[0][0].partition(b"-")[2]) if top else 0
        if seq > follow.tail:
            self._catch_up(follow)
        if status in (b"running", b"sealed") and left_ms < 0:
            self.on_orphan(facts.user_id, facts.stream_id)
        elif status == b"idle" and left_ms <= 0:
            self.log.close_idle(facts.user_id, facts.stream_id)
        elif status == b"closed":
            follow.closed = follow.writer is None and follow.tail >= seq


def _place(last_event_id: str | None, stream_id: StreamId, tail: int) -> tuple[int, Verdict]:
    """Where a reader stands, and how sure that is."""
    if last_event_id is None:
        return 0, "exact"
    cursor = parse_event_id(last_event_id)
    if cursor is None or cursor[0] != stream_id or cursor[1] > tail:
        return 0, "snapshot"
    return cursor[1], "exact"
