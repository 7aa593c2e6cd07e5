"""One open response on a stream; push.py says how frames come to it."""

import contextlib
import math
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import gevent
from gevent import monkey
from gevent.event import Event as Signal

from services.streaming.push import Channel
from services.streaming.views import Replay
from services.streaming.wire import farewell

# How long a client may take nothing before its connection is cut.
STALLED_S: Final = 30.0
# How long a client that is sent away may take to go.
_LEAVING_S: Final = 0.5
# The class of the standard library: its recv never waits for gevent's loop.
_RawSocket: Final = monkey.get_original("socket", "socket")


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
            if self._rest:
                # Of several that were to be sent together an earlier one was more than it takes now.
                self._rest += data
                return
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
