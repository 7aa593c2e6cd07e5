"""Streams that other workers write: followed by notification, made whole from the log.

Notifications are hints. A gap, a reconnect and a slow poll all read the log again; the poll also finds
runs whose worker died and streams that have been idle for too long.
"""

import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import gevent
from redis import Redis
from redis.exceptions import RedisError

from services import errors
from services.streaming import keys
from services.streaming.events import StreamId, UserId
from services.streaming.follow import Follow, Key
from services.streaming.log import LEASE_MS, LUA, EventLog
from services.streaming.payload import decode
from services.streaming.subscription import Subscription

logger = logging.getLogger(__name__)

_CONFIRM_S: Final = 1.5
_POLL_S: Final = 2.0
_BATCH: Final = 50


class Remote:
    """Keeps the streams that others write up to date.

    Args:
        worker: The name of this worker, for the lease on being watched.
        follows: What this process follows; shared with the hub.
        connect: Makes a bare connection without a read time-out.

    Attributes:
        on_orphan: Told of a run whose lease has lapsed.
    """

    def __init__(
        self, redis: Redis, log: EventLog, follows: dict[Key, Follow], connect: Callable[[], Any], *, worker: str
    ) -> None:
        self.on_orphan: Callable[[UserId, StreamId], None] = lambda _user, _stream: None
        self._redis: Any = redis
        self._log = log
        self._follows = follows
        self._worker = worker
        self._watch = redis.register_script((LUA / "watch.lua").read_text())
        self._subscription = Subscription(connect, on_lose=self._lost, on_resume=self._resumed)
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self, *, on_control: Callable[[bytes], None]) -> None:
        """Open the subscription."""
        self._subscription.start()
        self._subscription.add(keys.CONTROL, on_control, timeout_s=_CONFIRM_S)
        self._greenlet = gevent.spawn(self._poll)

    def close(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
        self._subscription.close()

    def attach(self, follow: Follow) -> None:
        """Subscribe, wait for the confirmation, then read what the log holds.

        Raises:
            Unavailable: Redis is away; what was subscribed stays so.
        """
        with follow.lock:
            if follow.writer is not None or self._follows.get(follow.key) is not follow:
                return
            if not follow.is_listening:
                follow.is_listening = True
                name = keys.live(*follow.key)
                self._subscription.add(name, lambda message: self._message(follow, message), timeout_s=_CONFIRM_S)
                self._ask_for_news([follow])
            self.fill(follow)
            follow.is_attached = True

    def _ask_for_news(self, follows: Sequence[Follow]) -> None:
        """Tell the owners that somebody follows. What they write before they hear it is a gap, and read later."""
        with contextlib.suppress(RedisError):
            pipeline = self._redis.pipeline(transaction=False)
            for follow in follows:
                pipeline.publish(keys.CONTROL, keys.FOLLOWED + follow.facts.stream_id)
            pipeline.execute()

    def adopt(self, follow: Follow) -> None:
        """As `attach`, in a greenlet of its own; the next poll tries again."""
        try:
            self.attach(follow)
        except errors.Unavailable:
            logger.debug("following must wait", extra={"stream_id": follow.facts.stream_id})

    def fill(self, follow: Follow) -> None:
        """Read from the log what is missing after the tail.

        Raises:
            Unavailable: Redis is away.
        """
        follow.append(self._log.read(*follow.key, first=follow.top))
        follow.is_sure = follow.is_listening

    def catch_up(self, follow: Follow) -> None:
        """As `fill`, in a greenlet of its own: what fails now is tried again by the next poll."""
        with follow.lock:
            follow.is_behind = False
            try:
                self.fill(follow)
            except errors.Unavailable:
                logger.debug("catching up must wait", extra={"stream_id": follow.facts.stream_id})

    def forget(self, follow: Follow) -> None:
        """The last viewer of a stream that others write has left."""
        try:
            reply = self._watch(keys=[keys.state(*follow.key), keys.viewers(*follow.key)], args=[self._worker, 0])
        except RedisError:
            reply = []  # the lease on being watched lapses by itself
        if follow.is_wanted or follow.writer is not None:
            # Somebody came meanwhile, and may have told so before it was told that all had left.
            if follow.viewers and follow.writer is None:
                self.tell_watched([follow])
            return
        self.drop(follow)
        if reply and not reply[0] and reply[1] == b"running":
            # Its owner may have viewers itself: it looks, and begins to count the grace.
            with contextlib.suppress(RedisError):
                self._redis.publish(keys.CONTROL, follow.facts.stream_id)

    def drop(self, follow: Follow) -> None:
        """Know nothing more of a stream."""
        if self._follows.get(follow.key) is not follow:
            return
        del self._follows[follow.key]
        if follow.is_listening:
            follow.is_listening = follow.is_attached = follow.is_sure = False
            self._subscription.remove(keys.live(*follow.key))

    def tell_watched(self, follows: Sequence[Follow]) -> None:
        """Say in Redis that these streams have viewers here, and act on what it answers."""
        pipeline = self._redis.pipeline(transaction=False)
        for follow in follows:
            names = [keys.state(*follow.key), keys.viewers(*follow.key)]
            self._watch(keys=names, args=[self._worker, LEASE_MS], client=pipeline)
            pipeline.xrevrange(keys.log(*follow.key), count=1)
        try:
            replies = pipeline.execute(raise_on_error=False)
        except RedisError:
            return
        for follow, reply, top in zip(follows, replies[::2], replies[1::2], strict=True):
            current = self._follows.get(follow.key)
            if follow.writer is None and (current is None or not current.is_wanted):
                # The last viewer left while this was under way: say so again, after it.
                gevent.spawn(self.forget, follow)
            elif not isinstance(reply, Exception) and not isinstance(top, Exception):
                self._look_after(follow, reply, top)

    def _look_after(self, follow: Follow, reply: Any, top: Any) -> None:
        if not reply:
            # The log is gone under its readers: they come back and are told from the stored answer.
            for channel in follow.channels.values():
                for viewer in list(channel.viewers):
                    viewer.dismiss(random.randint(100, 1000))  # noqa: S311 - jitter
            return
        status, left_ms = reply[1], int(reply[2])
        seq = int(top[0][0].partition(b"-")[2]) if top else 0
        if seq > follow.tail:
            self._ask_for_news([follow])
            self.catch_up(follow)
        if status in (b"running", b"sealed") and left_ms < 0:
            self.on_orphan(*follow.key)
        elif status == b"idle" and left_ms <= 0:
            self._close_idle(follow)
        elif status == b"closed":
            follow.is_closed = follow.writer is None and follow.tail >= seq

    def _close_idle(self, follow: Follow) -> None:
        try:
            self._log.close_idle(*follow.key)
        except errors.Unavailable:
            logger.debug("closing must wait", extra={"stream_id": follow.facts.stream_id})

    def _message(self, follow: Follow, message: bytes) -> None:
        if follow.writer is not None:
            return  # this worker's own flusher tells what is in the log
        entry_id, _, payload = message.partition(b" ")
        if not follow.is_sure or not follow.append([decode(entry_id, payload)]):
            self.catch_up_soon(follow)

    def catch_up_soon(self, follow: Follow) -> None:
        """Read the log in the background, once for all who ask before it is read."""
        if not follow.is_behind:
            follow.is_behind = True
            gevent.spawn(self.catch_up, follow)

    def _lost(self) -> None:
        for follow in self._follows.values():
            follow.is_sure = False

    def _resumed(self) -> None:
        follows = [follow for follow in self._follows.values() if follow.is_listening]
        self._ask_for_news(follows)
        for follow in follows:
            self.catch_up(follow)

    def _poll(self) -> None:
        while True:
            gevent.sleep(_POLL_S)
            follows = [
                follow
                for follow in self._follows.values()
                if follow.writer is None and follow.viewers and not follow.is_closed
            ]
            for start in range(0, len(follows), _BATCH):
                try:
                    self.tell_watched(follows[start : start + _BATCH])
                except Exception:  # the top of a greenlet: looking after the others goes on
                    logger.exception("poll failed")
                gevent.sleep(0)
