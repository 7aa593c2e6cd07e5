"""Connections to Redis or Valkey, with every time-out said: the defaults of redis-py 8 break
blocking reads and retry writes (docs/decisions/0002).
"""

from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import Connection, ConnectionPool
from redis.retry import Retry

CONNECT_TIMEOUT_S: Final = 1.0
# A cold call answers within this or is told as `Unavailable`; below the 2 s that a refusal may take.
CALL_TIMEOUT_S: Final = 1.5
MAX_CONNECTIONS: Final = 256


def normal_url(url: str) -> str:
    """The URL with the valkey forms turned into those that redis-py knows."""
    return (
        url.replace("valkeys://", "rediss://", 1)
        if url.startswith("valkeys://")
        else url.replace("valkey://", "redis://", 1)
    )


def client(url: str) -> "Redis":
    """A pooled client for the cold paths: short time-outs, no retries, raw stream replies."""
    made: Redis = Redis(
        connection_pool=ConnectionPool.from_url(
            normal_url(url), max_connections=MAX_CONNECTIONS, **_settings(CALL_TIMEOUT_S)
        )
    )
    # Pairs and flat lists as they come: the log decodes them itself, four times faster.
    for command in ("XRANGE", "XREVRANGE"):
        made.set_response_callback(command, _as_it_is)
    return made


def connection(url: str, *, timeout_s: float | None) -> Connection:
    """A bare connection, for the flusher and the subscription; not connected yet."""
    pool = ConnectionPool.from_url(normal_url(url), **_settings(timeout_s))
    made: Connection = pool.connection_class(**pool.connection_kwargs)
    return made


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
