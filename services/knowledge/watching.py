"""Watching a base's documents on their way in: one look a tick for all viewers of a base in this process.

The database is the truth, and it is asked: an ingestion may run in another process, on another machine. A watch
lives while somebody watches and anything moves; it ends when all is at rest.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

import gevent
from gevent.event import Event

from services import errors
from services.store.base import utc_now
from services.store.pulses import Pulse

logger = logging.getLogger(__name__)

Reason = Literal["rest", "gone", "away"]
Look = Callable[[str, datetime], Pulse]
MayRead = Callable[[str, Collection[int]], Collection[int]]

TICK_S: Final = 0.5
# What a person may read is asked again so often.
RECHECK_S: Final = 5.0
# How far machines' clocks may differ: changes are looked for from so long before the latest that was seen.
SLACK: Final = timedelta(seconds=10)
# Below the worker's pool of greenlets, beside the viewers of answers (wiring.py).
MAX_VIEWERS: Final = 300
MAX_OF_ONE_PERSON: Final = 20
# Who has not taken so many gets the whole list instead.
_MAX_BEHIND: Final = 40


@dataclass(slots=True)
class News:
    """What one look found; shared by all viewers of the base.

    Attributes:
        is_whole: Documents came or went, or a viewer has missed some: the list is to be read again.
    """

    pulse: Pulse
    is_whole: bool
    _made: dict[Hashable, bytes] = field(default_factory=dict)

    def once(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What `make` makes, made by the first viewer who needs it."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing follows: all is at rest, the base is not the viewer's to read any more, or this worker goes."""

    reason: Reason


class Viewer:
    """One reader of a base's progress. `leave` it in any case."""

    def __init__(self, watches: "Watches", user_id: int, base_id: str) -> None:
        self.user_id = user_id
        self.base_id = base_id
        self._watches = watches
        self._news: deque[News | Ended] = deque()
        self._is_there = Event()

    def news(self, *, heartbeat_s: float) -> Iterator[News | Ended | None]:
        """What happens from the joining on; None after each `heartbeat_s` without any. `Ended` is the last."""
        while True:
            if not self._is_there.wait(heartbeat_s):
                yield None
                continue
            while self._news:
                news = self._news.popleft()
                yield news
                if isinstance(news, Ended):
                    return
            self._is_there.clear()

    def give(self, news: News | Ended) -> None:
        """Take what happened."""
        if isinstance(news, News) and len(self._news) >= _MAX_BEHIND:
            self._news.clear()
            news = News(news.pulse, is_whole=True)
        self._news.append(news)
        self._is_there.set()

    def leave(self) -> None:
        """Watch no more."""
        self._watches.part(self)


@dataclass(slots=True)
class _Watch:
    base_id: str
    since: datetime
    checked_s: float
    # How many there are, and the newest; none before the first look.
    documents: tuple[int, str | None] | None = None
    viewers: set[Viewer] = field(default_factory=set)
    greenlet: "gevent.Greenlet[..., None] | None" = None
    # Of each document that changed lately, what was told of it.
    told: dict[str, Hashable] = field(default_factory=dict)


class Watches:
    """All that is watched in this process.

    Args:
        look: What changed in a base since a time.
        may_read: Which of some people may read a base.
        is_leaving: Whether this worker sends its viewers away.
    """

    def __init__(
        self, look: Look, may_read: MayRead, *, is_leaving: Callable[[], bool], tick_s: float = TICK_S
    ) -> None:
        self._look = look
        self._may_read = may_read
        self._is_leaving = is_leaving
        self._tick_s = tick_s
        self._watches: dict[str, _Watch] = {}
        self._viewers: set[Viewer] = set()

    @property
    def looking(self) -> int:
        """How many bases are looked at."""
        return len(self._watches)

    def join(self, user_id: int, base_id: str) -> Viewer:
        """Begin to watch: what changes from now on is told. That the person may read the base has been checked.

        Raises:
            SiteFull: This worker has as many viewers as it takes.
            LimitReached: The person has.
        """
        if len(self._viewers) >= MAX_VIEWERS:
            raise errors.SiteFull("Too many people watch their documents right now. Try again in a moment.")
        current = sum(viewer.user_id == user_id for viewer in self._viewers)
        if current >= MAX_OF_ONE_PERSON:
            extra = {"limit": MAX_OF_ONE_PERSON, "current": current}
            raise errors.LimitReached("You watch too many bases at once. Close some tabs.", extra=extra)
        viewer = Viewer(self, user_id, base_id)
        self._viewers.add(viewer)
        watch = self._watches.get(base_id)
        if watch is None:
            watch = self._watches[base_id] = _Watch(base_id, utc_now() - SLACK, time.monotonic())
            watch.greenlet = gevent.spawn(self._watch, watch)
        watch.viewers.add(viewer)
        return viewer

    def part(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._viewers.discard(viewer)
        watch = self._watches.get(viewer.base_id)
        if watch is not None:
            watch.viewers.discard(viewer)

    def close(self) -> None:
        """Watch nothing more; its viewers are sent away."""
        gevent.killall([watch.greenlet for watch in self._watches.values() if watch.greenlet])

    def _watch(self, watch: _Watch) -> None:
        reason: Reason = "away"
        try:
            reason = self._until_rest(watch)
        except Exception:  # the top of a greenlet: its viewers come back to a new watch
            logger.exception("watch of a base failed", extra={"base_id": watch.base_id})
        finally:
            if self._watches.get(watch.base_id) is watch:
                del self._watches[watch.base_id]
            for viewer in watch.viewers:
                viewer.give(Ended(reason))

    def _until_rest(self, watch: _Watch) -> Reason:
        while watch.viewers:
            gevent.sleep(self._tick_s)
            if self._is_leaving():
                return "away"
            # Who joins while the database is asked may know of a document that it did not have yet.
            before = set(watch.viewers)
            try:
                self._recheck(watch)
                news = self._news(watch)
            except errors.AppError:
                # The database is away: its viewers hear heartbeats until it is back.
                continue
            self._tell(watch, news, before)
        return "rest"

    def _tell(self, watch: _Watch, news: News, before: set[Viewer]) -> None:
        if news.is_whole or news.pulse.changed:
            for viewer in watch.viewers:
                viewer.give(news)
        if not news.pulse.moving:
            for viewer in before & watch.viewers:
                viewer.give(Ended("rest"))
            watch.viewers -= before

    def _news(self, watch: _Watch) -> News:
        pulse = self._look(watch.base_id, watch.since)
        told = {document.id: _told(document) for document in pulse.changed}
        changed = [document for document in pulse.changed if watch.told.get(document.id) != told[document.id]]
        documents = (pulse.total, pulse.newest_id)
        # At the first look nobody knows what came between a viewer's own and this one.
        is_whole = watch.documents != documents
        # What lies before `since` is not found again, and need not be remembered.
        watch.told, watch.documents = told, documents
        latest = max((document.updated_at for document in changed), default=None)
        if latest is not None:
            watch.since = max(watch.since, latest - SLACK)
        # The end is the whole list: whatever a clock had hidden is right then.
        return News(pulse.of(changed), is_whole or not pulse.moving)

    def _recheck(self, watch: _Watch) -> None:
        if time.monotonic() - watch.checked_s < RECHECK_S:
            return
        watch.checked_s = time.monotonic()
        may = self._may_read(watch.base_id, {viewer.user_id for viewer in watch.viewers})
        for viewer in [viewer for viewer in watch.viewers if viewer.user_id not in may]:
            watch.viewers.discard(viewer)
            viewer.give(Ended("gone"))


def _told(document: object) -> Hashable:
    return tuple(getattr(document, name) for name in ("state", "done", "total", "error", "updated_at"))
