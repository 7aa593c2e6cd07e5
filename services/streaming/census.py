"""All streams of the site that Redis knows, for operators' commands. Walks the keys: not for requests."""

import re
from collections.abc import Iterator
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from services import errors
from services.streaming.events import StreamId, UserId

_STATE: Final = re.compile(r"rill:\{u(\d+)\}:state:([a-z0-9]+)")


def streams(redis: Redis) -> Iterator[tuple[UserId, StreamId]]:
    """Owner and id of each stream, in no order.

    Raises:
        Unavailable: Redis is away.
    """
    client: Any = redis
    try:
        for key in client.scan_iter(match="rill:{u*}:state:*", count=500):
            match = _STATE.fullmatch(key.decode())
            if match is not None:
                yield UserId(int(match[1])), StreamId(match[2])
    except RedisError as problem:
        raise errors.Unavailable from problem
