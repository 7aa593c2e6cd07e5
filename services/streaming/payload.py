"""What an event is in the log, and back: JSON that every reader reads alike. Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

from services.streaming.events import Entry, Event


def encode(event: Event) -> bytes:
    """An event as the log holds it."""
    return orjson.dumps([event.name, event.data], default=str)


def plain(event: Event) -> Event:
    """An event as it comes back from the log, so that it is the same wherever it is read.

    What models and tools say may hold what JSON cannot: lone surrogates, endless integers, keys of other types.
    """
    try:
        data = orjson.dumps(event.data, default=str)
    except orjson.JSONEncodeError:
        data = orjson.dumps(_plain_value(event.data), default=str)
    return Event(event.name, orjson.loads(data))


def _plain_value(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_plain_value(str(key)): _plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain_value(item) for item in value]
    # Beyond 64 bits; a number that a browser would round is a number all the same.
    return str(value) if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64 else value


def decode(entry_id: bytes, payload: bytes) -> Entry:
    """What `encode` made, with its place."""
    fence, _, seq = entry_id.partition(b"-")
    name, data = orjson.loads(payload)
    return Entry(int(fence), int(seq), Event(name, data))
