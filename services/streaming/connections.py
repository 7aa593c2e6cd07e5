"""Connections to Redis or Valkey, with every time-out said: the defaults of redis-py 8 break
blocking reads and retry writes (docs/decisions/0002).
"""

import select
from typing import Any, Final

import hiredis
from gevent import monkey
from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as Lost
from redis.exceptions import ResponseError
from redis.retry import Retry

CONNECT_TIMEOUT_S: Final = 1.0
# A cold call answers within this or is told as `Unavailable`; below the 2 s that a refusal may take.
CALL_TIMEOUT_S: Final = 1.5
MAX_CONNECTIONS: Final = 256
_READ_BYTES: Final = 65536
_INCOMPLETE: Final = object()
_POLL: Final = monkey.get_original("select", "poll")


def normal_url(url: str) -> str:
    """The URL with the valkey forms turned into those that redis-py knows."""
    return (
        url.replace("valkeys://", "rediss://", 1)
        if url.startswith("valkeys://")
        else url.replace("valkey://", "redis://", 1)
    )


def client(url: str) -> "Redis":
    """A pooled client for the cold paths: short time-outs, no retries, raw stream replies."""
    pool = ConnectionPool.from_url(normal_url(url), max_connections=MAX_CONNECTIONS, **_settings(CALL_TIMEOUT_S))
    pool.connection_class = _PROMPT.get(pool.connection_class, pool.connection_class)
    made: Redis = Redis(connection_pool=pool)
    # Pairs and flat lists as they come: the log decodes them itself, four times faster.
    for command in ("XRANGE", "XREVRANGE"):
        made.set_response_callback(command, _as_it_is)
    return made


def connection(url: str, *, timeout_s: float | None) -> Connection:
    """A bare connection, for the flusher and the subscription; not connected yet."""
    pool = ConnectionPool.from_url(normal_url(url), **_settings(timeout_s))
    made: Connection = pool.connection_class(**pool.connection_kwargs)
    return made


class _Prompt:
    """What the pool asks of a connection before each command, answered without a turn of gevent's loop.

    gevent's poll starts a timer and lets everybody else run first, although it is told not to wait; the standard
    library's answers at once: a GET takes 28 us of CPU with it, 57 without. For plain sockets only.
    """

    _sock: Any
    _parser: Any

    def can_read(self, timeout: float = 0) -> bool:
        """Whether something waits that nobody asked for, or the connection is closed."""
        if timeout or not self._sock or self._parser._reader.has_data():
            return bool(super().can_read(timeout))  # type: ignore[misc]  # a connection's, beside which this stands
        poll = _POLL()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))


class _PromptTcp(_Prompt, Connection):
    pass


class _PromptUnix(_Prompt, UnixDomainSocketConnection):
    pass


_PROMPT: Final[dict[type, type]] = {Connection: _PromptTcp, UnixDomainSocketConnection: _PromptUnix}


class Replies:
    """The replies on a connection that is open, read without redis-py's layers: 0.2 us a reply, not 0.5.

    Only for a connection on which nothing but this reads from now on.
    """

    def __init__(self, connection: Any) -> None:
        self._socket: Any = connection._sock
        self._reader = hiredis.Reader(replyError=ResponseError, notEnoughData=_INCOMPLETE)

    def following(self) -> Any:
        """The next reply; an error that the server answered is returned, not raised.

        Raises:
            redis.exceptions.ConnectionError, OSError: The connection is gone, or silent for longer than its time-out.
        """
        reply = self._reader.gets()
        while reply is _INCOMPLETE:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise Lost("closed by the server")
            self._reader.feed(data)
            reply = self._reader.gets()
        return reply

    def of_transaction(self, count: int) -> list[Any]:
        """The replies to so many commands between MULTI and EXEC; none for each if they were refused together."""
        for _ in range(1 + count):
            self.following()
        replies = self.following()
        return replies if isinstance(replies, list) else [None] * count

    def good(self) -> Any:
        """The next reply; an error is raised."""
        reply = self.following()
        if isinstance(reply, ResponseError):
            raise reply
        return reply


def _settings(timeout_s: float | None) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "health_check_interval": 0,
        "protocol": 2,
        "decode_responses": False,
    }


def _as_it_is(reply: Any, **_: Any) -> Any:
    return reply
