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
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0


class Subscription:
    """One connection in subscribed mode.

    Args:
        connect: Makes a bare redis-py `Connection` without a read time-out.
        on_resume: Called after a reconnect, when all channels are subscribed again.
    """

    def __init__(self, connect: Callable[[], Any], *, on_resume: Callable[[], None]) -> None:
        self._connect = connect
        self._on_resume = on_resume
        self._connection: Any = None
        self._receivers: dict[bytes, Callable[[bytes], None]] = {}
        self._confirmed: dict[bytes, Signal] = {}
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
        connection = self._connection
        if connection is None:
            return
        # A failed write surfaces in the reader, which reconnects and subscribes to everything.
        with self._writing, contextlib.suppress(RedisError, OSError):
            connection.send_command(*command, check_health=False)

    def _run(self) -> None:
        backoff_s, first = _FIRST_BACKOFF_S, True
        while True:
            try:
                self._open()
                if not first:
                    gevent.spawn(self._on_resume)
                first, backoff_s = False, _FIRST_BACKOFF_S
                while True:
                    self._receive(self._connection.read_response())
            except (RedisError, OSError) as problem:
                logger.warning("subscription lost", extra={"reason": type(problem).__name__})
            self._disconnect()
            gevent.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LAST_BACKOFF_S)

    def _open(self) -> None:
        connection = self._connect()
        connection.connect()
        self._heard_s = time.monotonic()
        with self._writing:
            self._connection = connection
            if self._receivers:
                connection.send_command("SUBSCRIBE", *self._receivers, check_health=False)

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

    def _ping(self) -> None:
        """A peer that vanished without a word is noticed by its silence."""
        while True:
            gevent.sleep(_PING_S)
            if time.monotonic() - self._heard_s > _SILENCE_S:
                self._disconnect()
            else:
                self._send("PING")

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
