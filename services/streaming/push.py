"""Frames to viewers: a viewer is a cursor over the frames of one channel.

Two ways out, one contract (tests/services/streaming/test_viewers.py): the response's generator
yields the frames; or, where the socket is plain HTTP/1 and ours to write, they are sent as they come
(what was kept, by one callback per turn of the loop), and the generator only waits for the client to leave.
"""

import contextlib
import logging
import math
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import gevent
from gevent import monkey
from gevent.event import Event as Signal

from services.streaming.events import Entry
from services.streaming.views import Replay, View
from services.streaming.wire import farewell

logger = logging.getLogger(__name__)

# What a channel keeps for viewers that have fallen behind; one further behind is closed and comes
# back with its last event id.
MAX_BEHIND_BYTES: Final = 1 << 20
# How long a client may take nothing before its connection is cut.
STALLED_S: Final = 30.0
# How long a client that is sent away may take to go.
_LEAVING_S: Final = 0.5
# After this long without a frame a view may send a named ping as well.
IDLE_S: Final = 30.0
# The class of the standard library: its recv never waits for gevent's loop.
_RawSocket: Final = monkey.get_original("socket", "socket")


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
        if frames or self.view.done:
            self._give(frames)

    def _give(self, frames: bytes) -> None:
        """Send frames now if every viewer has all that came before and can take them; else keep them for the others."""
        if not self._chunks:
            # Nearly always: what is kept and sent in a callback costs 3 us more an event, and a turn of the loop.
            for viewer in self.viewers:
                if not viewer.is_ready:
                    break
            else:
                for viewer in self.viewers:
                    viewer.take(frames)
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


class Viewer:
    """One open response.

    Args:
        on_leave: Called once, when the response has ended for whatever reason.
        environ: Of the request; its socket is watched, and written where that is possible.
        push: Whether to write the socket at all; off, the generator yields every frame.
        stays: Whether it is kept at a deploy (a response streamed from a POST).

    Attributes:
        is_ready: Whether its socket can be written now, and not by its own generator.
    """

    __slots__ = (
        "_chunked", "_dismissed_s", "_farewell", "_fd", "_gone", "_greeting", "_left", "_on_leave", "_push", "_rest",
        "_socket", "_wake", "channel", "is_ready", "position", "stays", "until_s", "verdict",
    )  # fmt: skip

    def __init__(
        self,
        channel: Channel,
        replay: Replay,
        *,
        on_leave: Callable[[], None],
        environ: Mapping[str, Any],
        push: bool,
        stays: bool,
    ) -> None:
        self.channel = channel
        self.position = channel.end
        self.stays = stays
        self.verdict = replay.verdict
        self.is_ready = False
        # When the connection is old enough to come back elsewhere, on the monotonic clock.
        self.until_s = math.inf
        self._greeting = channel.view.greeting(replay)
        self._on_leave = on_leave
        self._wake = Signal()
        self._gone = self._left = False
        self._farewell = b""
        self._dismissed_s = math.inf
        self._socket: socket.socket | None = environ.get("gunicorn.socket")
        self._chunked = environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
        self._push = push and self._writable(environ)
        self._fd = self._socket.fileno() if self._socket is not None else -1
        self._rest = b""
        # Last: from here on the channel keeps frames for this viewer.
        channel.viewers.add(self)

    def __iter__(self) -> Iterator[bytes]:
        watcher = None
        try:
            yield self._greeting
            self._greeting = b""
            watcher = self._watch()
            while not self._gone:
                if self._rest:
                    self._drain()
                    continue
                frames = self._take()
                if frames:
                    yield frames
                elif self._over():
                    break
                else:
                    self._wait()
            if self._farewell and not self._gone:
                yield self._farewell
                self._end_connection()
        finally:
            if watcher is not None:
                watcher.stop()
                watcher.close()
            self.leave()

    def close(self) -> None:
        """The server is done with the response, whether or not it was iterated."""
        self.leave()

    def advance(self, frames: bytes | None, end: int) -> None:
        """New frames that were kept: send them, or wake whoever does. Runs in the hub; never waits."""
        if frames is None:
            self.cut()
        elif not self.is_ready:
            self._wake.set()
        else:
            self.position = end
            self.take(frames)

    def take(self, frames: bytes) -> None:
        """Send frames to a viewer that is ready; never waits."""
        if frames:
            data = b"%x\r\n%b\r\n" % (len(frames), frames) if self._chunked else frames
            try:
                sent = os.write(self._fd, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._gone = True
                self._wake.set()
                return
            if sent < len(data):
                self._rest = data[sent:]
                self.is_ready = False
                self._wake.set()
        if self.channel.view.done and self.channel.done:
            self._wake.set()

    def cut(self) -> None:
        """End the connection where it stands; the client comes back with its last event id."""
        self._gone = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._wake.set()

    def dismiss(self, retry_ms: int) -> None:
        """Send the client away; it is told when to come back. One that has not gone by the next time is cut."""
        now_s = time.monotonic()
        if now_s > self._dismissed_s + _LEAVING_S:
            self.cut()
        self._dismissed_s = min(self._dismissed_s, now_s)
        self._farewell = farewell(retry_ms)
        self._wake.set()

    def leave(self) -> None:
        if not self._left:
            self._left = self._gone = True
            self.is_ready = False
            self.channel.viewers.discard(self)
            self._wake.set()
            self._on_leave()

    def _take(self) -> bytes:
        """Frames that this response must yield itself."""
        frames = self.channel.after(self.position)
        if frames is None:
            self.cut()
            return b""
        self.position = self.channel.end
        self.channel.trim()
        return frames

    def _wait(self) -> None:
        """Until there is something to do; meanwhile, and only then, the socket is the pusher's."""
        self.is_ready = self._push
        self._wake.wait()
        self._wake.clear()
        self.is_ready = False

    def _over(self) -> bool:
        return self._dismissed_s < math.inf or (self.channel.done and self.position == self.channel.end)

    def _drain(self) -> None:
        """The client's window was full: wait until it has taken the rest of a half-sent chunk."""
        assert self._socket is not None
        rest, self._rest = self._rest, b""
        try:
            with gevent.Timeout(STALLED_S, TimeoutError):
                self._socket.sendall(rest)
        except OSError:
            self.cut()

    def _end_connection(self) -> None:
        """After this response no other request is taken here: the client comes back to another worker."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RD)

    def _writable(self, environ: Mapping[str, Any]) -> bool:
        return (
            self._socket is not None
            and not isinstance(self._socket, ssl.SSLSocket)
            and environ.get("SERVER_PROTOCOL") in ("HTTP/1.1", "HTTP/1.0")
            and environ.get("wsgi.url_scheme") == "http"
            and environ.get("REQUEST_METHOD") != "HEAD"
        )

    def _watch(self) -> Any:
        """Notice at once when the client leaves: its socket becomes readable and holds nothing."""
        if self._socket is None or isinstance(self._socket, ssl.SSLSocket):
            return None
        watcher = gevent.get_hub().loop.io(self._socket.fileno(), 1)
        watcher.start(self._peek, watcher)
        return watcher

    def _peek(self, watcher: Any) -> None:
        assert self._socket is not None
        try:
            copy = _RawSocket(fileno=os.dup(self._socket.fileno()))
            try:
                waiting = copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            finally:
                copy.close()
        except BlockingIOError:
            return
        except OSError:
            waiting = b""
        if waiting:
            # A pipelined request: the watcher is level-triggered and would spin; heartbeats must do.
            watcher.stop()
            return
        # Also a generator that waits for the client to take something goes on at once, and nothing spins.
        watcher.stop()
        self.cut()
