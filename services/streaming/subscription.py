"""The worker's one subscription: what other workers write reaches this one here.

Wake-ups are hints, the log is the truth: after every reconnect each channel's owner is told to read
the log again, and whatever is lost in between costs time but no event.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent.event import Event as Signal
from gevent.lock import BoundedSemaphore
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

_PING_S: Final = 5.0
_SILENCE_S: Final = 12.0
_OPEN_S: Final = 2.0
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0


class Subscription:
    """One connection in subscribed mode.

    Args:
        connect: Makes a bare redis-py `Connection` without a read time-out.
        ping_s, silence_s: How often to ask whether the peer lives, and after which silence it does not.
        on_lose: Called when the connection is lost; must not wait.
        on_resume: Called after a reconnect, when Redis has confirmed all channels again.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        *,
        on_lose: Callable[[], None],
        on_resume: Callable[[], None],
        ping_s: float = _PING_S,
        silence_s: float = _SILENCE_S,
    ) -> None:
        self._connect = connect
        self._ping_s = ping_s
        self._silence_s = silence_s
        self._on_lose = on_lose
        self._on_resume = on_resume
        self._connection: Any = None
        self._receivers: dict[bytes, Callable[[bytes], None]] = {}
        self._confirmed: dict[bytes, Signal] = {}
        self._resuming: set[bytes] = set()
        self._writing = BoundedSemaphore()
        self._heard_s = 0.0
        self._greenlets: list[gevent.Greenlet[..., None]] = []

    def start(self) -> None:
        self._greenlets = [gevent.spawn(self._run), gevent.spawn(self._ping)]

    def close(self) -> None:
        gevent.killall(self._greenlets)
        self._disconnect()

    def add(self, channel: str, receive: Callable[[bytes], None], *, timeout_s: float) -> bool:
        """Receive a channel's messages from now on.

        Returns:
            Whether Redis confirmed within `timeout_s`; otherwise it is subscribed as soon as Redis is back.
        """
        name = channel.encode()
        self._receivers[name] = receive
        confirmed = self._confirmed.setdefault(name, Signal())
        confirmed.clear()
        self._send("SUBSCRIBE", name)
        return bool(confirmed.wait(timeout_s))

    def remove(self, channel: str) -> None:
        """Receive no more of a channel."""
        name = channel.encode()
        if self._receivers.pop(name, None) is not None:
            self._confirmed.pop(name, None)
            self._send("UNSUBSCRIBE", name)

    def _send(self, *command: Any) -> None:
        # A failed write surfaces in the reader, which reconnects and subscribes to everything.
        with self._writing, contextlib.suppress(RedisError, OSError):
            if self._connection is not None:
                self._connection.send_command(*command, check_health=False)

    def _run(self) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while True:
            try:
                connection = self._open()
                backoff_s = _FIRST_BACKOFF_S
                # Until `_ping` has given it up.
                while self._connection is connection:
                    self._receive(connection.read_response())
            except Exception as problem:  # the top of a greenlet: this worker follows nothing without it
                if isinstance(problem, RedisError | OSError):
                    logger.warning("subscription lost", extra={"reason": type(problem).__name__})
                else:
                    logger.exception("subscription broken, opened again")
            self._disconnect()
            self._on_lose()
            gevent.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)

    def _open(self) -> Any:
        connection = self._connect()
        # The connection has no read time-out, and a peer may vanish while it is greeted.
        with gevent.Timeout(_OPEN_S, TimeoutError):
            connection.connect()
        self._heard_s = time.monotonic()
        with self._writing:
            self._resuming = set(self._receivers)
            self._connection = connection
            if self._receivers:
                connection.send_command("SUBSCRIBE", *self._receivers, check_health=False)
        return connection

    def _receive(self, message: Any) -> None:
        self._heard_s = time.monotonic()
        kind = message[0]
        if kind == b"message":
            receive = self._receivers.get(message[1])
            if receive is not None:
                receive(message[2])
        elif kind == b"subscribe":
            confirmed = self._confirmed.get(message[1])
            if confirmed is not None:
                confirmed.set()
            if self._resuming:
                self._resuming.discard(message[1])
                if not self._resuming:
                    gevent.spawn(self._on_resume)

    def _ping(self) -> None:
        """A peer that vanished without a word is noticed by its silence."""
        while True:
            gevent.sleep(self._ping_s)
            if time.monotonic() - self._heard_s > self._silence_s:
                self._disconnect()
            else:
                self._send("PING")

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
