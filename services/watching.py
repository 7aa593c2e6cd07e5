"""Watching what others change: one look a tick for all viewers of one thing in this process.

The database is the truth, and it is asked: a change may be made in another process, on another machine. What is looked
at, and what is news of it, is told by a `Subject`; this knows viewers, their limits and their end.
"""

import logging
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, Protocol, Self, TypeVar

import gevent
from gevent import monkey
from gevent.event import Event

from services import errors

logger = logging.getLogger(__name__)

# A patched one would wait for its other end.
_RawSocket: Final = monkey.get_original("socket", "socket")

Reason = Literal["rest", "gone", "away"]

TICK_S: Final = 0.5
# What a person may read is asked again so often.
RECHECK_S: Final = 5.0
# Below the worker's pool of greenlets, beside the viewers of answers (wiring.py).
MAX_VIEWERS: Final = 300
MAX_OF_ONE_PERSON: Final = 20
# Who leaves is noticed within this time, and not when something is to be sent.
_NOTICED_S: Final = 1.0
# Who has not taken so many gets the whole instead.
MAX_BEHIND: Final = 40


@dataclass(slots=True)
class News:
    """What one look found; shared by all viewers."""

    _made: dict[Hashable, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What `make` makes, made by the first viewer who needs it."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def whole(self) -> Self:
        """The news for a viewer who has missed some before."""
        return self


N = TypeVar("N", bound=News)
N_co = TypeVar("N_co", bound=News, covariant=True)


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing follows: all is at rest, the thing is not the viewer's to read any more, or this worker goes."""

    reason: Reason


class Subject(Protocol[N_co]):
    """What is watched: made when its first viewer comes, dropped after its last has gone."""

    def look(self) -> tuple[N_co | None, bool]:
        """What has happened since the last look, if anything; and whether all is at rest, which ends the watch."""
        ...

    def readers(self, user_ids: Collection[int]) -> Collection[int]:
        """Which of some people may read it still."""
        ...


class Viewer(Generic[N]):
    """One reader. `leave` it in any case."""

    def __init__(self, user_id: int, key: str, leave: Callable[["Viewer[N]"], None]) -> None:
        self.user_id = user_id
        self.key = key
        self._leave = leave
        self._news: deque[N | Ended] = deque()
        self._is_there = Event()

    def news(self, *, heartbeat_s: float, connection: socket.socket | None = None) -> Iterator[N | Ended | None]:
        """What happens from the joining on; None after each `heartbeat_s` without any. `Ended` is the last.

        Args:
            connection: To where it is sent: once its client has closed it, nothing follows.
        """
        since_s = time.monotonic()
        while True:
            left_s = since_s + heartbeat_s - time.monotonic()
            if not self._is_there.wait(min(max(left_s, 0.0), _NOTICED_S)):
                if connection is not None and has_left(connection):
                    return
                if left_s <= _NOTICED_S:
                    since_s = time.monotonic()
                    yield None
                continue
            while self._news:
                news = self._news.popleft()
                yield news
                if isinstance(news, Ended):
                    return
            self._is_there.clear()
            since_s = time.monotonic()

    def give(self, news: N | Ended) -> None:
        """Take what happened."""
        if not isinstance(news, Ended) and len(self._news) >= MAX_BEHIND:
            self._news.clear()
            news = news.whole()
        self._news.append(news)
        self._is_there.set()

    def leave(self) -> None:
        """Watch no more."""
        self._leave(self)


def has_left(connection: socket.socket) -> bool:
    """Whether a client has closed its connection; nothing is taken from it, and nothing is waited for."""
    if isinstance(connection, ssl.SSLSocket):
        # Only what is sent to it tells.
        return False
    try:
        copy = _RawSocket(fileno=os.dup(connection.fileno()))
    except OSError:
        return True
    try:
        return not copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        copy.close()


@dataclass(slots=True)
class _Watch(Generic[N]):
    key: str
    subject: Subject[N]
    checked_s: float
    viewers: set[Viewer[N]] = field(default_factory=set)
    greenlet: "gevent.Greenlet[..., None] | None" = None


class Watches(Generic[N]):
    """All things of one kind that are watched in this process.

    Args:
        subject: Makes what is watched, by its key.
        what: What people watch, as refusals call it: "your documents".
        is_leaving: Whether this worker sends its viewers away.
    """

    def __init__(
        self,
        subject: Callable[[str], Subject[N]],
        *,
        what: str,
        is_leaving: Callable[[], bool],
        tick_s: float = TICK_S,
    ) -> None:
        self._subject = subject
        self._what = what
        self._is_leaving = is_leaving
        self._tick_s = tick_s
        self._watches: dict[str, _Watch[N]] = {}
        self._viewers: set[Viewer[N]] = set()

    @property
    def looking(self) -> int:
        """How many things are looked at."""
        return len(self._watches)

    def join(self, user_id: int, key: str) -> Viewer[N]:
        """Begin to watch: what changes from now on is told. That the person may read it has been checked.

        Raises:
            SiteFull: This worker has as many viewers as it takes.
            LimitReached: The person has.
        """
        if len(self._viewers) >= MAX_VIEWERS:
            raise errors.SiteFull(f"Too many people watch {self._what} right now. Try again in a moment.")
        current = sum(viewer.user_id == user_id for viewer in self._viewers)
        if current >= MAX_OF_ONE_PERSON:
            extra = {"limit": MAX_OF_ONE_PERSON, "current": current}
            raise errors.LimitReached(f"You watch {self._what} in too many tabs. Close some.", extra=extra)
        viewer = Viewer[N](user_id, key, self.part)
        self._viewers.add(viewer)
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = _Watch(key, self._subject(key), time.monotonic())
            watch.greenlet = gevent.spawn(self._watch, watch)
        watch.viewers.add(viewer)
        return viewer

    def part(self, viewer: Viewer[N]) -> None:
        """Forget a viewer."""
        self._viewers.discard(viewer)
        watch = self._watches.get(viewer.key)
        if watch is not None:
            watch.viewers.discard(viewer)

    def close(self) -> None:
        """Watch nothing more; its viewers are sent away."""
        gevent.killall([watch.greenlet for watch in self._watches.values() if watch.greenlet])

    def _watch(self, watch: _Watch[N]) -> None:
        reason: Reason = "away"
        try:
            reason = self._until_rest(watch)
        except Exception:  # the top of a greenlet: its viewers come back to a new watch
            logger.exception("a watch failed", extra={"watched": self._what, "key": watch.key})
        finally:
            if self._watches.get(watch.key) is watch:
                del self._watches[watch.key]
            for viewer in watch.viewers:
                viewer.give(Ended(reason))

    def _until_rest(self, watch: _Watch[N]) -> Reason:
        while watch.viewers:
            gevent.sleep(self._tick_s)
            if self._is_leaving():
                return "away"
            # Who joins while the database is asked may know of something that it did not have yet.
            before = set(watch.viewers)
            try:
                self._recheck(watch)
                news, is_at_rest = watch.subject.look()
            except errors.AppError:
                # The database is away: its viewers hear heartbeats until it is back.
                continue
            if news is not None:
                for viewer in watch.viewers:
                    viewer.give(news)
            if is_at_rest:
                for viewer in before & watch.viewers:
                    viewer.give(Ended("rest"))
                watch.viewers -= before
        return "rest"

    def _recheck(self, watch: _Watch[N]) -> None:
        if time.monotonic() - watch.checked_s < RECHECK_S:
            return
        watch.checked_s = time.monotonic()
        may = watch.subject.readers({viewer.user_id for viewer in watch.viewers})
        for viewer in [viewer for viewer in watch.viewers if viewer.user_id not in may]:
            watch.viewers.discard(viewer)
            viewer.give(Ended("gone"))
