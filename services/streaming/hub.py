"""A process's view of the streams that are watched or written here.

The hub keeps one `Follow` a stream: its entries, and a channel for each dialect with its viewers.
Entries come from this worker's flusher or, for a stream that another worker writes, from the
subscription; the log in Redis fills every gap.
"""

import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gevent
from redis import Redis

from services import errors
from services.streaming.coalesce import merged
from services.streaming.events import Entry, StreamId, UserId
from services.streaming.flush import Accepted, Flusher
from services.streaming.follow import Follow, Key, place
from services.streaming.log import EventLog
from services.streaming.push import Channel, Pusher
from services.streaming.remote import Remote
from services.streaming.viewer import Viewer
from services.streaming.views import Dialect, Replay, StreamFacts, Verdict
from services.streaming.writer import Writer

logger = logging.getLogger(__name__)

_TICK_S: Final = 1.0
# A closed stream stays in memory for readers who come back; only so many do.
_LINGER_S: Final = 60.0
_MAX_LINGERING: Final = 500
# A stream that is open stays for a reader who is about to join only.
_JOIN_S: Final = 5.0
_MAX_AGE_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The reader has seen all of a closed stream: there is nothing to send, now or later."""


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
        self.log = log
        self.flusher = Flusher(lambda: connect(2.0), on_commit=self._committed)
        self.pusher = Pusher()
        self.viewers = self._joining = 0
        self.draining = False
        # Told when the last viewer of a run of this worker has left; set by the runs.
        self.on_left: Callable[[UserId, StreamId], None] = lambda _user, _stream: None
        self._follows: dict[Key, Follow] = {}
        self.remote = Remote(redis, log, self._follows, lambda: connect(None), worker=uuid.uuid4().hex)
        self._heartbeat_s = heartbeat_s
        self._max_viewers = max_viewers
        self._push = push
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self, *, on_control: Callable[[bytes], None]) -> None:
        """Open the worker's connections; called when the worker starts, never in a request."""
        self.flusher.start()
        self.remote.start(on_control=on_control)
        self._greenlet = gevent.spawn(self._tick)

    def close(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
        self.remote.close()
        self.flusher.close()

    # -- what runs here

    def open_local(self, facts: StreamFacts, writer: Writer, first: Entry) -> None:
        """A run of this worker writes this stream from `first` on."""
        key = (facts.user_id, facts.stream_id)
        follow = self._follows.get(key)
        if follow is None:
            follow = self._follows[key] = Follow(facts)
        follow.writer = writer
        follow.is_closed = follow.is_sure = False
        if not follow.append([first]):
            self.remote.catch_up(follow)

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
            follow.is_closed = True
        elif follow.is_wanted:
            gevent.spawn(self.remote.adopt, follow)
        else:
            self.remote.drop(follow)

    def facts(self, user_id: UserId, stream_id: StreamId) -> StreamFacts | None:
        """What this process knows of a stream already, without asking Redis."""
        follow = self._follows.get((user_id, stream_id))
        return follow.facts if follow is not None and follow.entries else None

    def writes(self, user_id: UserId, stream_id: StreamId) -> bool:
        """Whether a run of this worker is writing this stream."""
        follow = self._follows.get((user_id, stream_id))
        return follow is not None and follow.writer is not None and bool(follow.entries)

    def has_viewers(self, key: Key) -> bool:
        """Whether anybody watches this stream from this worker."""
        follow = self._follows.get(key)
        return follow is not None and follow.viewers > 0

    def _committed(self, accepted: Sequence[Accepted]) -> None:
        """Show what the log has taken: all frames are made, then all are sent."""
        with self.pusher.together():
            for writer, entries in accepted:
                follow = self._follows.get(writer.key)
                if follow is not None and not follow.append(entries):
                    self.remote.catch_up_soon(follow)

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
        # Those about to join count: after a deploy thousands ask at once, and each waits for Redis first.
        if self.viewers + self._joining >= self._max_viewers:
            raise errors.SiteFull(
                "Too many people are reading here. Try again in a moment.",
                code="VIEWERS_FULL",
                retry_after_s=5,
                extra={"limit": self._max_viewers, "current": self.viewers},
            )
        follow = self._followed(facts)
        # Whoever is about to read keeps it from being dropped while Redis is asked.
        follow.joining += 1
        self._joining += 1
        try:
            self._make_whole(follow)
            position, verdict = self._place(follow, last_event_id)
            if last_event_id is not None and verdict == "exact" and self._is_over(follow, dialect, position):
                return Finished()
            replay = Replay(last_event_id, position, follow.tail, verdict, merged(follow.entries[position:]))
            return self._join(follow, dialect, replay, environ, stays)
        finally:
            follow.joining -= 1
            self._joining -= 1
            follow.idle_since_s = time.monotonic()

    def _place(self, follow: Follow, last_event_id: str | None) -> tuple[int, Verdict]:
        position, verdict = place(last_event_id, follow.facts.stream_id, follow.tail)
        if verdict == "snapshot" and follow.writer is None and not follow.is_closed:
            # The reader may have seen elsewhere what has not come here yet.
            self.remote.catch_up(follow)
            position, verdict = place(last_event_id, follow.facts.stream_id, follow.tail)
        return position, verdict

    def _join(
        self, follow: Follow, dialect: Dialect, replay: Replay, environ: Mapping[str, Any], stays: bool
    ) -> Viewer:
        channel = follow.channels.get(dialect.key)
        if channel is None or channel.is_broken:
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
        viewer.until_s = time.monotonic() + _MAX_AGE_S * random.uniform(0.95, 1.05)  # noqa: S311 - jitter
        if first and follow.writer is None and not follow.is_closed:
            gevent.spawn(self.remote.tell_watched, [follow])
        return viewer

    def _left(self, follow: Follow) -> None:
        self.viewers -= 1
        if follow.viewers:
            return
        follow.idle_since_s = time.monotonic()
        if follow.writer is not None:
            self.on_left(*follow.key)
        elif not follow.is_closed:
            gevent.spawn(self.remote.forget, follow)

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
        key = (facts.user_id, facts.stream_id)
        follow = self._follows.get(key)
        if follow is None:
            follow = self._follows[key] = Follow(facts)
        return follow

    def _make_whole(self, follow: Follow) -> None:
        """Have everything up to now, and be fed from now on."""
        if follow.writer is None and not follow.is_closed and not follow.is_attached:
            self.remote.attach(follow)
        elif not follow.entries:
            self.remote.catch_up(follow)
        if not follow.entries:
            if follow.joining == 1:
                self.remote.drop(follow)
            raise errors.NotFound("Stream not found")

    def _is_over(self, follow: Follow, dialect: Dialect, position: int) -> bool:
        """Whether the stream is closed and a reader who stands at `position` has seen all of it."""
        # Entries are contiguous from seq 1, so that a seq is also a place in the list.
        if any(dialect.shows(entry) for entry in follow.entries[position:]):
            return False
        if not follow.is_closed and follow.writer is None:
            state = self.log.state(follow.facts.user_id, follow.facts.stream_id)
            if state is None or state.status == "closed":
                self.remote.fill(follow)
                follow.is_closed = True
        return follow.is_closed and not any(dialect.shows(entry) for entry in follow.entries[position:])

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
            if not viewer.stays and now_s > viewer.until_s:
                viewer.dismiss(random.randint(100, 1000))  # noqa: S311 - jitter
        idle = [follow for follow in self._follows.values() if follow.writer is None and not follow.is_wanted]
        spare = len(idle) - _MAX_LINGERING
        for count, follow in enumerate(idle):
            linger_s = _LINGER_S if follow.is_closed else _JOIN_S
            if count < spare or now_s - follow.idle_since_s > linger_s:
                self.remote.drop(follow)
