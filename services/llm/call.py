"""One call of an engine: until when it may wait, and how it is ended from outside. No HTTP.

`Call` is shared by whoever reads the reply and whoever ends it; `Reply` is what an engine hands out.
"""

import inspect
import math
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress

from services.llm.messages import Part

# A socket's timeout of 0 means "do not wait": what has arrived already may still be read.
_SHORTEST_WAIT_S = 0.001


class Call:
    """One call's deadline and off switch.

    Attributes:
        deadline_s: Until when reads may wait, on `time.monotonic`'s clock; moved on by the reader.
        latest_s: Beyond which no reader moves it.
        is_closed: Whether `close` was called; failures of the call mean nothing from then on.
    """

    __slots__ = ("_closing", "_socket", "deadline_s", "is_closed", "latest_s")

    def __init__(self, deadline_s: float, *, latest_s: float = math.inf) -> None:
        self.deadline_s = deadline_s
        self.latest_s = latest_s
        self.is_closed = False
        self._socket: socket.socket | None = None
        self._closing: threading.Event | None = None

    def remaining_s(self) -> float:
        """How long a read may wait from now on; above 0."""
        return max(min(self.deadline_s, self.latest_s) - time.monotonic(), _SHORTEST_WAIT_S)

    def hold(self, sock: socket.socket) -> None:
        """Name the socket that `close` shuts down.

        Raises:
            ConnectionAbortedError: The call is closed already.
        """
        if self.is_closed:
            raise ConnectionAbortedError
        self._socket = sock

    def release(self) -> None:
        """Forget the socket: it is another call's from now on."""
        self._socket = None

    def wait(self, duration_s: float) -> None:
        """Wait, cooperatively, until the time has passed or the call is closed."""
        self._closing = self._closing or threading.Event()
        if not self.is_closed:
            self._closing.wait(duration_s)

    def close(self) -> None:
        """End the call, from any greenlet or thread; whoever waits in it wakes at once."""
        self.is_closed = True
        if self._closing is not None:
            self._closing.set()
        sock, self._socket = self._socket, None
        if sock is not None:
            # The plain socket's method: a TLS socket's own would take its state away under the reader.
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Reply:
    """An answer as it is spoken: an iterator of parts that anybody may close.

    `close` ends the call to the model at once. Called by the reader between two parts it unwinds the
    call; called from another greenlet while the reader waits, it wakes the reader, whose iteration
    then ends without `Finish` and without an exception.
    """

    __slots__ = ("_call", "_parts")

    def __init__(self, speak: Callable[[Call], Generator[Part]], call: Call) -> None:
        self._call = call
        self._parts = speak(call)

    def __iter__(self) -> "Reply":
        return self

    def __next__(self) -> Part:
        return next(self._parts)

    def close(self) -> None:
        """End the answer; harmless when it has ended already."""
        self._call.close()
        if inspect.getgeneratorstate(self._parts) != inspect.GEN_RUNNING:
            self._parts.close()
