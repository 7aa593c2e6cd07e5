"""The viewers: one epoll loop that holds all their sockets.

A viewer checks what it reads (frames.py) and what it means: ids without gap or repetition, the agreed payload. It
counts wire events: deltas that the server merged into one event count as one.
"""

import gc
import resource
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import orjson

from bench.frames import Body, Frame, Frames, WireError

TEXT = "ab"
# The payload as the contenders' JSON encoders write it; with a time in it, it is decoded.
_PAYLOADS = frozenset({b'{"d":"ab"}', b'{"d": "ab"}'})
_READ_BYTES = 262_144
# How many requests may wait for their head at once: below every contender's listen backlog.
_OPENING_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Target:
    """What one viewer asks for."""

    path: str
    headers: tuple[tuple[str, str], ...] = ()


class Viewer:
    """One open response. Subclasses say what an event means by overriding `take`.

    Attributes:
        last: The seq of the newest event, or None.
        events: Counted wire events.
        done: Nothing more is expected.
        reads: How often the socket gave whole events; events over reads says how many came at once.
        first_at: `time.monotonic()` of the first counted event.
        done_at: The same of the last one.
    """

    contiguous = True
    __slots__ = (
        "body", "done", "done_at", "events", "first_at", "frames", "last", "opened_at", "reads", "sock", "target",
        "want",
    )  # fmt: skip

    def __init__(self, target: Target, want: int) -> None:
        self.target = target
        self.want = want
        self.body = Body()
        self.frames = Frames()
        self.sock: socket.socket
        self.last: int | None = None
        self.events = self.reads = 0
        self.done = want == 0
        self.opened_at = self.first_at = self.done_at = 0.0

    def feed(self, data: bytes, now: float) -> None:
        """Take bytes from the socket.

        Raises:
            WireError: They are not what a correct server sends.
        """
        added = self.body.feed(data)
        if self.body.head_seen and self.body.status != 200:
            raise WireError(f"{self.target.path}: status {self.body.status}: {added[:300]!r}")
        frames = self.frames.feed(added)
        self.reads += bool(frames)
        for frame in frames:
            if frame.seq is not None:
                self._check(frame)
            self.take(frame, now)

    def _check(self, frame: Frame) -> None:
        last, self.last = self.last, frame.seq
        if last is None or frame.seq == last + 1:
            return
        if self.contiguous or frame.seq <= last:
            raise WireError(f"{self.target.path}: id {frame.seq} follows {last}")

    def take(self, frame: Frame, now: float) -> None:
        """Count an event of the agreed payload; others (a run's start and end) only count for their ids."""
        if frame.data in _PAYLOADS:
            self.count(now)
        elif frame.data[:4] == b'{"d"':
            if orjson.loads(frame.data)["d"] != TEXT:
                raise WireError(f"{self.target.path}: not the agreed payload: {frame.data[:120]!r}")
            self.count(now)

    def count(self, now: float) -> None:
        """One wire event more."""
        if not self.events:
            self.first_at = now
        self.events += 1
        if self.events >= self.want and not self.done:
            self.done, self.done_at = True, now


class TimedViewer(Viewer):
    """Reads the time of making (`time.monotonic_ns()`) out of each event: {"d": "ab", "t": ns} or {"d": "<19 digits>"}.

    Merged texts hold several times: the viewer wants so many times, and counts the event as one.
    """

    __slots__ = ("lags", "made")

    def __init__(self, target: Target, want: int, lags: list[float]) -> None:
        super().__init__(target, want)
        self.lags = lags
        self.made = 0

    def take(self, frame: Frame, now: float) -> None:
        if frame.data[:4] != b'{"d"':
            return
        data = orjson.loads(frame.data)
        text = data["d"]
        times = [data["t"]] if "t" in data else [int(text[at : at + 19]) for at in range(0, len(text), 19)]
        self.lags += [now - made_at / 1e9 for made_at in times]
        self.made += len(times)
        self.events += 1
        if self.made >= self.want:
            self.done, self.done_at = True, now


class TextViewer(Viewer):
    """Collects the text of deltas, however merged, until `characters` have come."""

    contiguous = False
    __slots__ = ("characters", "length")

    def __init__(self, target: Target, characters: int) -> None:
        super().__init__(target, -1)
        self.done = False
        self.characters = characters
        self.length = 0

    def take(self, frame: Frame, now: float) -> None:
        if frame.data[:4] != b'{"d"':
            return
        text = orjson.loads(frame.data)["d"]
        if text != TEXT * (len(text) // len(TEXT)):
            raise WireError(f"{self.target.path}: the text is damaged: {text[:60]!r}")
        self.events += 1
        self.first_at = self.first_at or now
        self.length += len(text)
        if self.length > self.characters:
            raise WireError(f"{self.target.path}: {self.length} characters, {self.characters} were made")
        if self.length == self.characters:
            self.done, self.done_at = True, now


class MiddleViewer(Viewer):
    """Notes the id of the event number `middle`."""

    __slots__ = ("middle", "middle_id")

    def __init__(self, target: Target, want: int, middle: int) -> None:
        super().__init__(target, want)
        self.middle = middle
        self.middle_id = ""

    def take(self, frame: Frame, now: float) -> None:
        super().take(frame, now)
        if self.events == self.middle and not self.middle_id:
            assert frame.id is not None
            self.middle_id = frame.id.decode()


class Load:
    """Holds viewers against one server.

    Args:
        port: The server's, on 127.0.0.1.
        headers: Sent with each request.
    """

    def __init__(self, port: int, headers: Iterable[tuple[str, str]] = ()) -> None:
        self._address = ("127.0.0.1", port)
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._epoll = select.epoll()
        self._viewers: dict[int, Viewer] = {}
        self.cpu_s = 0.0

    def __enter__(self) -> "Load":
        gc.collect()
        gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        gc.enable()

    def open(self, viewers: Sequence[Viewer], *, wait_for_head: bool = True, timeout_s: float = 60.0) -> None:
        """Connect and ask; with `wait_for_head` until every response has begun, a batch at a time."""
        deadline = time.monotonic() + timeout_s
        for start in range(0, len(viewers), _OPENING_AT_ONCE):
            batch = viewers[start : start + _OPENING_AT_ONCE]
            for viewer in batch:
                self._open(viewer)
            if wait_for_head:
                self._until(lambda batch=batch: all(viewer.body.head_seen for viewer in batch), deadline, "heads")

    def _open(self, viewer: Viewer) -> None:
        viewer.opened_at = time.monotonic()
        viewer.sock = sock = socket.create_connection(self._address, timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        extra = "".join(f"{name}: {value}\r\n" for name, value in viewer.target.headers)
        sock.sendall(
            f"GET {viewer.target.path} HTTP/1.1\r\nHost: 127.0.0.1:{self._address[1]}\r\n"
            f"Accept: text/event-stream\r\n{self._headers}{extra}\r\n".encode("latin-1")
        )
        sock.setblocking(False)
        self._viewers[sock.fileno()] = viewer
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def run(self, *, timeout_s: float) -> None:
        """Read until every viewer has what it wants.

        Raises:
            WireError: A viewer read something wrong, or not everything came in time.
        """
        before = _own_cpu_s()
        waiting = {viewer for viewer in self._viewers.values() if not viewer.done}
        deadline = time.monotonic() + timeout_s

        def finished() -> bool:
            waiting.difference_update([viewer for viewer in waiting if viewer.done])
            return not waiting

        self._until(finished, deadline, "events")
        self.cpu_s = _own_cpu_s() - before

    def watch(self, seconds: float) -> None:
        """Read whatever comes for a time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._turn(left)

    def _until(self, finished: Callable[[], bool], deadline: float, what: str) -> None:
        check_at = 0.0
        while True:
            # Asking every viewer is dear with thousands of them, so at most 500 times a second.
            now = time.monotonic()
            if now >= check_at:
                if finished():
                    return
                check_at = now + 0.002
                if now > deadline:
                    raise WireError(f"not all {what} came in time: {self._missing()}")
            self._turn(0.002)

    def _turn(self, wait_s: float) -> None:
        viewers = self._viewers
        for number, _ in self._epoll.poll(wait_s, 4096):
            viewer = viewers[number]
            try:
                data = viewer.sock.recv(_READ_BYTES)
            except BlockingIOError:
                continue
            now = time.monotonic()
            if data:
                viewer.feed(data, now)
            if not data or viewer.body.ended:
                self._drop(number, viewer)

    def _drop(self, number: int, viewer: Viewer) -> None:
        self._epoll.unregister(number)
        viewer.sock.close()
        del self._viewers[number]
        if not viewer.done:
            raise WireError(f"{viewer.target.path} ended after {viewer.events} of {viewer.want} events")

    def _missing(self) -> str:
        late = [viewer for viewer in self._viewers.values() if not viewer.done]
        sample = ", ".join(f"{viewer.target.path} {viewer.events}/{viewer.want}" for viewer in late[:3])
        return f"{len(late)} of {len(self._viewers)} viewers wait ({sample})"

    def close(self, *, how: str = "fin") -> None:
        """Leave: `fin` closes the socket, `rst` resets it, `half` only shuts down the sending side."""
        for number, viewer in list(self._viewers.items()):
            self._epoll.unregister(number)
            if how == "half":
                viewer.sock.shutdown(socket.SHUT_WR)
                continue
            if how == "rst":
                viewer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            viewer.sock.close()
        self._viewers.clear()


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
