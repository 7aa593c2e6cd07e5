"""Frames to viewers: a viewer (viewer.py) is a cursor over the frames of one channel.

Two ways out, one contract (tests/services/streaming/test_viewers.py): the response's generator
yields the frames; or, where the socket is plain HTTP/1 and ours to write, they are sent as they come
(what was kept, by one callback per turn of the loop), and the generator only waits for the client to leave.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import gevent

from services.streaming.events import Entry
from services.streaming.views import View

if TYPE_CHECKING:
    from services.streaming.viewer import Viewer

logger = logging.getLogger(__name__)

# What a channel keeps for viewers that have fallen behind; one further behind is closed and comes
# back with its last event id.
MAX_BEHIND_BYTES: Final = 1 << 20
# After this long without a frame a view may send a named ping as well.
IDLE_S: Final = 30.0


class Channel:
    """One dialect of one followed stream: the view, its latest frames and who reads them."""

    __slots__ = (
        "_chunks", "_due", "_fed_s", "_interval_s", "_kept_bytes", "_pinged_s", "_pusher", "_start", "_waiting",
        "is_broken", "last_beat_s", "last_frame_s", "view", "viewers",
    )  # fmt: skip

    def __init__(self, view: View, *, interval_s: float, pusher: "Pusher") -> None:
        self.view = view
        # Whether its view has failed: nothing comes through it any more.
        self.is_broken = False
        self.viewers: set[Viewer] = set()
        self.last_frame_s = self.last_beat_s = time.monotonic()
        self._pinged_s = 0.0
        self._interval_s = interval_s
        self._pusher = pusher
        self._waiting: list[Entry] = []
        self._due: gevent.Greenlet[..., None] | None = None
        self._fed_s = 0.0
        self._chunks: list[bytes] = []
        self._kept_bytes = 0
        self._start = 0

    @property
    def end(self) -> int:
        """The position after the newest frames."""
        return self._start + len(self._chunks)

    @property
    def done(self) -> bool:
        """Whether everything has been said; what waits for its interval has not."""
        return self.view.done and not self._waiting

    def prime(self, entries: Sequence[Entry]) -> None:
        """Feed a new view what the log holds already; newcomers get it in their greeting."""
        self.view.prime(entries)

    def feed(self, entries: Sequence[Entry]) -> None:
        """Take what the log gained and send it on, at once or when the interval has passed."""
        if not self._interval_s:
            self._show(entries)
            return
        self._waiting.extend(entries)
        wait_s = self._fed_s + self._interval_s - time.monotonic()
        if wait_s <= 0:
            self.flush()
        elif self._due is None:
            self._due = gevent.spawn_later(wait_s, self.flush)

    def flush(self) -> None:
        """Show what waits for its interval."""
        self._due = None
        if self._waiting:
            entries, self._waiting = self._waiting, []
            self._fed_s = time.monotonic()
            self._show(entries)

    def beat(self, now_s: float, *, every_s: float) -> None:
        """Send a heartbeat if one is due."""
        idle_s = now_s - max(self.last_frame_s, self._pinged_s)
        if idle_s >= IDLE_S:
            self._pinged_s = now_s
        elif now_s - self.last_beat_s < every_s:
            return
        self.last_beat_s = now_s
        self._give(self.view.beat(idle_s))

    def after(self, position: int) -> bytes | None:
        """All frames after a position, or None if they are not kept any more."""
        if position < self._start:
            return None
        skip = position - self._start
        if not skip:
            return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        return b"".join(chunk for index, chunk in enumerate(self._chunks) if index >= skip)

    def trim(self) -> None:
        """Forget what every viewer has, and what exceeds the bound."""
        slowest = min((viewer.position for viewer in self.viewers), default=self.end)
        # A list, not a deque: nearly always it is emptied whole, and an empty deque weighs 600 bytes.
        if slowest == self.end:
            self._chunks.clear()
            self._start, self._kept_bytes = slowest, 0
            return
        gone = 0
        # The newest stays however large it is: those who have just been woken for it are not behind.
        newest = len(self._chunks) - 1
        while gone < newest and (self._start + gone < slowest or self._kept_bytes > MAX_BEHIND_BYTES):
            self._kept_bytes -= len(self._chunks[gone])
            gone += 1
        del self._chunks[:gone]
        self._start += gone

    def _show(self, entries: Sequence[Entry]) -> None:
        if self.is_broken:
            return
        try:
            frames = self.view.feed(entries)
        except Exception:  # whoever writes or follows the stream for everybody must not fall with one dialect
            logger.exception("view failed, its readers come back to a new one")
            self.is_broken = True
            for viewer in list(self.viewers):
                viewer.cut()
            return
        if frames:
            self.last_frame_s = time.monotonic()
        elif not self.view.done:
            return
        self._give(frames)

    def _give(self, frames: bytes) -> None:
        """Send frames now if every viewer has all that came before and can take them; else keep them for the others."""
        if not self._chunks:
            # Nearly always: what is kept and sent in a callback costs 3 us more an event, and a turn of the loop.
            for viewer in self.viewers:
                if not viewer.is_ready:
                    break
            else:
                outbox = self._pusher.outbox
                for viewer in self.viewers:
                    if outbox is None:
                        viewer.take(frames)
                    else:
                        outbox.append((viewer, frames))
                return
        if frames:
            self._chunks.append(frames)
            self._kept_bytes += len(frames)
        self._pusher.mark(self)


class Pusher:
    """Brings new frames to the viewers, once per turn of the event loop."""

    def __init__(self) -> None:
        self._marked: dict[Channel, None] = {}
        self._scheduled = False
        # What is to be sent together, in order; None at other times.
        self.outbox: list[tuple[Viewer, bytes]] | None = None

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Frames that come within are sent at its end, one socket right after the other; nothing within may wait.

        A reader on this machine that is kept awake by one write costs the next a third less than one that is woken.
        """
        outbox: list[tuple[Viewer, bytes]] = []
        self.outbox = outbox
        try:
            yield
        finally:
            self.outbox = None
            for viewer, frames in outbox:
                viewer.take(frames)

    def mark(self, channel: Channel) -> None:
        """This channel has something new."""
        self._marked[channel] = None
        if not self._scheduled:
            self._scheduled = True
            gevent.get_hub().loop.run_callback(self._turn)

    def _turn(self) -> None:
        # Runs in the hub: nothing here may wait.
        self._scheduled = False
        marked, self._marked = self._marked, {}
        for channel in marked:
            end = channel.end
            frames = {}
            for viewer in list(channel.viewers):
                if viewer.position not in frames:
                    frames[viewer.position] = channel.after(viewer.position)
                viewer.advance(frames[viewer.position], end)
            channel.trim()
